"""Archetypes: what a toolchain writes into a file, and how often each class uses which.

A toolchain (compiler and linker of one generation) fixes header fields, section table, run-time
imports and kind of code; a form is what is built with it (program, library, ...); a packaging is
what happened to the file afterwards (packer, crypter, installer, infection).
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, NamedTuple

import msgspec

from simember.loading import check_names, read_entries, read_table, wrong
from simember.names import CAPABILITIES, ROLE_FLAGS, RUNTIMES
from simember.tables import KINDS

_WORD = re.compile(r"\(([^\s:()]{0,8}:\w+)\)|[^\s:()]{0,8}:\w+")

Form = Literal["exe", "dll", "driver"]
Pair = tuple[float, float]  # goodware, malware
Version = Annotated[str, msgspec.Meta(pattern=r"^\d+\.\d+$")]
Weight = Annotated[float, msgspec.Meta(ge=0)]
Packaging = Literal[
    "plain", "overlay", "infected", "shuffled", "stripped",
    "crypt_code", "crypt_data", "crypt_resource", "inno", "nsis", "sfx",
    "upx", "aspack", "petite", "nspack", "fsg", "mew", "mpress", "themida", "vmprotect",
]  # fmt: skip


class Slot(NamedTuple):
    """A place in a toolchain's section table; an optional one is left out by half the programs."""

    name: str
    role: str
    optional: bool


class Toolchain(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A compiler and linker of one generation; `data/toolchains.yaml` explains the fields.

    Choices map a value to its weight.
    """

    name: str = ""  # what the entry is called
    years: tuple[int, int]
    linkers: dict[Version, Weight]
    system: dict[Version, Weight]
    code: str = "x86"
    bits: Literal[32, 64] = 32
    sections: dict[Form, str]
    flags: dict[str, int] = {}
    runtimes: dict[Form, dict[str, Weight]]
    dlls: dict[str, str] = {}
    coff: dict[Form, int]
    dll_words: dict[int, Weight] = msgspec.field(default_factory=lambda: {0: 1.0})
    file_alignment: dict[int, Weight] = msgspec.field(default_factory=lambda: {512: 1.0})
    pe_offset: int = 0xF0
    image_version: dict[Version, Weight] = msgspec.field(
        default_factory=lambda: {"0.0": 0.9, "1.0": 0.1}
    )
    tls: float = 0.0
    symbols: float = 0.0
    heap_commit: int = 4096
    stamp: Literal["link", "fixed1992", "random", "zero"] = "link"
    code_size: float = 1.0
    unicode: float = 0.75
    debug: Pair = (0.02, 0.02)
    mz: int = 0

    def slots(self, form: Form) -> list[Slot]:
        """The section table of the programs of this form."""
        slots = []
        for word in self.sections[form].split():
            name, role = word.strip("()").split(":")
            slots.append(Slot(name, role, word.startswith("(")))
        return slots


class Use(msgspec.Struct, frozen=True):
    """How often (`share`, on any scale) a class builds what with which toolchain."""

    label: Literal["goodware", "malware"]
    share: Weight
    toolchain: str
    form: Form
    packaging: Packaging


Mix = tuple[Use, ...]


def version(text: str) -> tuple[int, int]:
    """Major and minor of a version such as `5.10`."""
    major, minor = text.split(".")
    return int(major), int(minor)


def _toolchains() -> dict[str, Toolchain]:
    file = "toolchains.yaml"
    toolchains = read_entries(file, Toolchain)
    for name, toolchain in toolchains.items():
        for form, table in toolchain.sections.items():
            for word in table.split():
                if not _WORD.fullmatch(word):
                    raise wrong(file, f"{name}.sections.{form}", f"{word!r} is not `name:role`")
            roles = [slot.role for slot in toolchain.slots(form)]
            check_names(file, f"{name}.sections.{form}", roles, ROLE_FLAGS)
        for key in ("runtimes", "coff"):
            if getattr(toolchain, key).keys() != toolchain.sections.keys():
                raise wrong(file, f"{name}.{key}", "its forms must be those of `sections`")
        for form, choices in toolchain.runtimes.items():
            bundles = [bundle for choice in choices for bundle in choice.split()]
            check_names(file, f"{name}.runtimes.{form}", bundles, RUNTIMES | CAPABILITIES)
        check_names(file, f"{name}.flags", toolchain.flags, ROLE_FLAGS)
        check_names(file, f"{name}.code", [toolchain.code], KINDS)
    return {
        name: msgspec.structs.replace(toolchain, name=name)
        for name, toolchain in toolchains.items()
    }


def _mixes() -> tuple[Mix, Mix]:
    file = "mixes.csv"
    uses = read_table(file, Use)
    for use in uses:
        place = f"{use.label} {use.toolchain} {use.form} {use.packaging}"
        check_names(file, place, [use.toolchain], TOOLCHAINS)
        check_names(file, place, [use.form], TOOLCHAINS[use.toolchain].sections)
    goodware = tuple(use for use in uses if use.label == "goodware")
    malware = tuple(use for use in uses if use.label == "malware")
    return goodware, malware


TOOLCHAINS = _toolchains()
GOODWARE, MALWARE = _mixes()
