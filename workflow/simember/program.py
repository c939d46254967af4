"""Programs: the section table, imports, exports and header that a family's code base leads to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from dokunuki.seeding import generator
from simember import names
from simember.archetypes import Toolchain, version
from simember.families import HABITS, Family, by_archetype, choose, lognormal

if TYPE_CHECKING:
    from collections.abc import Callable

Parts = tuple[tuple[str, float], ...]  # (kind of content, bytes)


@dataclass(frozen=True)
class Section:
    """A planned section: `parts` are its bytes in the file, `extra` its virtual surplus."""

    name: str
    flags: int
    role: str
    parts: Parts
    extra: float = 0.0
    packed_virtual: bool = False  # the raw size is the virtual size: a packer's work


@dataclass(frozen=True)
class Program:
    """One code base of a family: everything that its variants start from."""

    family: Family
    toolchain: Toolchain
    seed: int
    linker: tuple[int, int]
    system: tuple[int, int]
    subsystem: str
    dll_word: int
    coff_word: int
    alignment: int
    sections: tuple[Section, ...]
    entry: int
    overlay: Parts
    imports: tuple[tuple[str, tuple[str, ...]], ...]
    exports: tuple[str, ...]
    debug: bool
    tls: bool
    symbols: int
    random_names: bool
    linked: float  # years before it appeared
    size_of_code: float | None  # None: the sum of the code sections


def identifiers(rng: np.random.Generator, style: str, number: int) -> list[str]:
    """Names of functions in the style of a library: C, mangled C++, or a known library's own."""
    known = names.STYLES.get(style, ())
    if known:
        order = rng.permutation(len(known))[:number]
        return [known[int(position)] for position in sorted(order)]
    verbs = rng.integers(0, len(names.VERBS), number)
    nouns = rng.integers(0, len(names.NOUNS), number)
    others = rng.integers(0, len(names.NOUNS), number)
    prefix = names.PREFIXES[int(rng.integers(len(names.PREFIXES)))]
    made = []
    for verb, noun, other in zip(verbs, nouns, others, strict=True):
        if style == "cpp":
            made.append(f"?{names.VERBS[verb]}{names.NOUNS[noun]}@C{names.NOUNS[other]}@@QAEHPBD@Z")
        elif style == "pascal":
            made.append(f"{names.VERBS[verb]}{names.NOUNS[noun]}")
        else:
            made.append(f"{prefix}_{names.VERBS[verb].lower()}_{names.NOUNS[noun].lower()}")
    return list(dict.fromkeys(made))


def _spell(function: str, unicode: bool) -> str:
    """An import as EMBER shows it: ordinals stay numbers here, `*` becomes A or W."""
    return function[:-1] + ("W" if unicode else "A") if function.endswith("*") else function


class _Imports:
    """Imports in the order in which they are added, each function once per DLL."""

    def __init__(self, dlls: dict[str, str], unicode: bool) -> None:
        self._dlls = dlls
        self._unicode = unicode
        self._spelled: dict[str, str] = {}
        self._functions: dict[str, dict[str, None]] = {}

    def add(self, dll: str, functions: list[str] | tuple[str, ...]) -> None:
        for key, name in self._dlls.items():
            dll = dll.replace("{" + key + "}", name)
        if "{" in dll or not functions:
            return
        dll = self._spelled.setdefault(dll.lower(), dll)
        entry = self._functions.setdefault(dll, {})
        for function in functions:
            entry[_spell(function, self._unicode)] = None

    def result(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        return tuple((dll, tuple(functions)) for dll, functions in self._functions.items())


def _part_of(rng: np.random.Generator, functions: tuple[str, ...], share: float) -> list[str]:
    """A part of a bundle; functions that stand first are the more usual ones."""
    weight = np.linspace(1.6, 0.5, len(functions)) * share
    return [
        name
        for name, use in zip(functions, rng.random(len(functions)) < weight, strict=True)
        if use
    ]


def _imports(family: Family, rng: np.random.Generator) -> tuple[tuple[str, tuple[str, ...]], ...]:
    toolchain = family.toolchain
    imports = _Imports(toolchain.dlls, family.unicode)
    breadth = float(np.clip(family.breadth * np.exp(0.25 * rng.standard_normal()), 0.02, 0.9))
    fixed: list[str] = []
    partial: list[str] = []
    for bundle in family.runtime:
        (fixed if bundle in names.RUNTIMES else partial).append(bundle)
    managed = toolchain.name in (
        "dotnet",
        "ngen",
        "resources",
        "efi",
        "vc_driver",
        "vc_driver64",
        "go",
    )
    installer = {"nsis": "nsis", "inno": "inno"}.get(family.packaging)
    if installer:
        fixed = [installer]
        if family.toolchain.name == "delphi_xe":
            fixed = ["delphi_unicode"]
        partial = []
    for bundle in fixed:
        for dll, functions in names.RUNTIMES[bundle]:
            if bundle in ("vcl", "mfc", "mfc6", "vcl_packages", "nt_kernel"):
                chosen = _part_of(rng, functions, 0.35 + 0.5 * breadth)
            elif bundle.startswith("msvcr"):
                chosen = _part_of(rng, functions, 0.85)
            else:
                chosen = [name for name in functions if rng.random() < 0.97]
            imports.add(dll, chosen)
    if not managed and not installer:
        if toolchain.name == "vb6":
            partial.append("vb_calls")
            extra = rng.random() < 0.25  # declared API functions are imported lazily, by name
            bundles = partial + (list(family.capabilities)[:2] if extra else [])
        else:
            bundles = partial + list(family.capabilities)
        if "cpp" in toolchain.dlls and "msvcr" in " ".join(family.runtime):
            bundles.append("cpp_library")
        for bundle in bundles:
            share = breadth if bundle != "vb_calls" else min(0.9, breadth + 0.25)
            for dll, functions in names.CAPABILITIES[bundle]:
                if (
                    bundle in ("decoy", "api_sets")
                    and rng.random() < (0.85, 0.35)[bundle == "api_sets"]
                ):
                    continue
                imports.add(dll, _part_of(rng, functions, share))
        for dll, style in family.libraries:
            number = int(np.clip(lognormal(rng, 9, 1.0), 1, 250))
            imports.add(dll, identifiers(rng, style, number))
    elif managed:
        for bundle in partial:
            for dll, functions in names.CAPABILITIES[bundle]:
                imports.add(dll, _part_of(rng, functions, breadth))
    return imports.result()


def _packed_imports(
    rng: np.random.Generator,
    stub: str,
    imports: tuple[tuple[str, tuple[str, ...]], ...],
    keep: float,
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What a packer leaves: its own needs, and one function of each further DLL."""
    reduced = _Imports({}, False)
    for dll, functions in names.RUNTIMES[stub]:
        reduced.add(dll, functions)
    for dll, functions in imports:
        if dll.lower() != "kernel32.dll" and rng.random() < keep:
            reduced.add(dll, [functions[int(rng.integers(len(functions)))]])
    return reduced.result()


def _exports(family: Family, rng: np.random.Generator) -> tuple[str, ...]:
    toolchain = family.toolchain.name
    if family.form == "driver" or toolchain in ("dotnet", "ngen", "resources", "go"):
        return ()
    if family.form == "exe":
        if toolchain == "delphi_xe":
            special = (
                "TMethodImplementationIntercept",
                "__dbk_fcall_wrapper",
                "dbkFCallWrapperAddr",
            )
            return special[: int(rng.integers(0, 4))] if rng.random() < 0.5 else ()
        if rng.random() < 0.04:
            return tuple(identifiers(rng, "pascal", int(rng.integers(1, 8))))
        return ()
    if any(style == "vlc" for _, style in family.libraries):
        return ("vlc_entry__3_0_0f", "vlc_entry_copyright__3_0_0f", "vlc_entry_license__3_0_0f")
    if any(style == "py" for _, style in family.libraries):
        return ("init" + names.NOUNS[int(rng.integers(len(names.NOUNS)))].lower(),)
    style = choose(rng, {"none": 0.14, "com": 0.22, "cpp": 0.27, "c": 0.22, "pascal": 0.15})
    if style == "none":
        return ()
    if style == "com":
        more = identifiers(rng, "pascal", int(rng.integers(0, 4)))
        return (*names.COM_EXPORTS[: int(rng.integers(2, 5))], *more)
    number = int(np.clip(lognormal(rng, 7, 1.9), 1, 4000))
    made = identifiers(rng, style, number)
    if toolchain == "delphi_package":
        made = ["Finalize", "Initialize", "@GetPackageInfoTable", *made]
    return tuple(made)


def _imports_size(
    imports: tuple[tuple[str, tuple[str, ...]], ...], bits: int
) -> tuple[float, float]:
    """Bytes of names and of tables that an import directory takes."""
    number = sum(len(functions) for _, functions in imports)
    text = sum(len(name) + 3 for _, functions in imports for name in functions)
    text += sum(len(dll) + 1 for dll, _ in imports)
    return float(text), float(number * bits // 4 + 20 * len(imports) + 20)


class _Builder:
    """Fills the roles of a section table with parts."""

    def __init__(
        self,
        family: Family,
        rng: np.random.Generator,
        imports: tuple[tuple[str, tuple[str, ...]], ...],
        exports: tuple[str, ...],
    ) -> None:
        self.family = family
        self.rng = rng
        toolchain = family.toolchain
        self.code = lognormal(rng, family.code_size, 0.45)
        if family.packaging in ("nsis", "inno", "sfx"):  # the stub of an installer is always alike
            self.code = {"nsis": 24e3, "inno": 58e3, "sfx": 75e3}[family.packaging] * rng.uniform(
                0.95, 1.15
            )
        self.kind = toolchain.code
        self.names, self.tables = _imports_size(imports, toolchain.bits)
        self.exported = float(sum(len(name) + 1 for name in exports))
        self.export_tables = 40.0 + 10.0 * len(exports) if exports else 0.0
        self.resources = lognormal(rng, family.resource_size, 0.4)
        self.roles = {slot.role for slot in toolchain.slots(family.form)}
        self.has_rdata = "rdata" in self.roles
        self.has_idata = "idata" in self.roles
        self.has_edata = "edata" in self.roles
        self.bits = toolchain.bits
        text = float(np.clip(family.text_share * np.exp(0.2 * rng.standard_normal()), 0.02, 0.8))
        readonly = lognormal(rng, 0.23, 0.55) * self.code + 500
        self.text, self.readonly = text * readonly, (1 - text) * readonly

    def parts(self, role: str) -> tuple[Parts, float]:
        """Parts and virtual surplus of a section with this role."""
        method: Callable[[], tuple[Parts, float]] = getattr(self, f"_{role}")
        return method()

    def _imports_here(self) -> Parts:
        return (("names", self.names), ("pointers", self.tables))

    def _exports_here(self) -> Parts:
        return (("names", self.exported), ("pointers", self.export_tables)) if self.exported else ()

    def _constants(self) -> Parts:
        cut = self.rng.uniform(0.3, 0.7)
        table = "data" if self.bits == 32 else "pointers"
        return (
            (table, self.readonly * 0.55 * cut),
            ("text", self.text),
            ("data", self.readonly * 0.55 * (1 - cut)),
            ("wide", self.readonly * 0.25),
            ("zero", self.readonly * 0.2),
        )

    def _code(self) -> tuple[Parts, float]:
        parts: Parts = ((self.kind, self.code * 0.96), ("data", self.code * 0.04))
        if not self.has_rdata and self.kind not in ("vb",):
            # Constants and imports live among the code.
            parts = (*parts, *self._constants())
            if not self.has_idata:
                parts = (*self._imports_here(), *parts)
            if not self.has_edata:
                parts = (*parts, *self._exports_here())
        elif self.kind == "vb":
            parts = (
                *parts,
                ("text", self.code * 0.02),
                ("wide", self.code * 0.10),
                *self._imports_here(),
            )
            if self.rng.random() < 0.4:  # pictures on forms
                parts = (*parts, ("icon", lognormal(self.rng, 12e3, 1.2)))
        return parts, 0.0

    def _il(self) -> tuple[Parts, float]:
        embedded: Parts = ()
        if self.rng.random() < HABITS.embedded[self.family.content]:
            kind = choose(self.rng, {"packed": 0.5, "icon": 0.3, "text": 0.2})
            embedded = ((kind, lognormal(self.rng, 25e3, 1.3)),)
        names_share = self.rng.uniform(0.16, 0.32)
        return (
            ("cli", self.code * (0.92 - names_share)),
            ("identifiers", self.code * names_share),
            *embedded,
            ("wide", self.code * 0.06),
            ("data", self.code * 0.02),
            ("names", 80.0),
        ), 0.0

    def _ngen_code(self) -> tuple[Parts, float]:
        return (("ngen", self.code * 0.9), ("identifiers", self.code * 0.1)), 0.0

    def _ngen_data(self) -> tuple[Parts, float]:
        return (("data", self.code * 0.10), ("pointers", self.code * 0.06)), self.code * 0.01

    def _ngen_x(self) -> tuple[Parts, float]:
        return (("pointers", self.code * 0.03 + 200),), 0.0

    def _itext(self) -> tuple[Parts, float]:
        return ((self.kind, lognormal(self.rng, 3e3, 0.7)),), 0.0

    def _page(self) -> tuple[Parts, float]:
        return ((self.kind, self.code * self.rng.uniform(0.05, 0.6)),), 0.0

    def _init(self) -> tuple[Parts, float]:
        return ((self.kind, 600.0), *self._imports_here()), 0.0

    def _rdata(self) -> tuple[Parts, float]:
        inside = () if self.has_idata else self._imports_here()
        outside = () if self.has_edata else self._exports_here()
        return (*inside, *self._constants(), *outside), 0.0

    def _data(self) -> tuple[Parts, float]:
        size = lognormal(self.rng, 0.035, 0.9) * self.code + 60
        surplus = lognormal(self.rng, 2500, 1.9)
        parts: Parts = (("data", size * 0.55), ("text", size * 0.12), ("zero", size * 0.33))
        if self.kind in ("gcc", "delphi", "vb") or "bss" in self.roles:
            surplus = 0.0
        if self.kind == "vb":
            return (("zero", 900.0),), lognormal(self.rng, 2000, 0.8)
        return parts, surplus

    def _bss(self) -> tuple[Parts, float]:
        return (), lognormal(self.rng, 6000, 1.9)

    def _idata(self) -> tuple[Parts, float]:
        return self._imports_here(), 0.0

    def _edata(self) -> tuple[Parts, float]:
        return self._exports_here() or (("names", 60.0),), 0.0

    def _rsrc(self) -> tuple[Parts, float]:
        return tuple(
            (kind, self.resources * share) for kind, share in self.family.resource_kinds
        ), 0.0

    def _reloc(self) -> tuple[Parts, float]:
        share = 0.045 if self.bits == 32 else 0.008
        size = share * self.code * self.rng.uniform(0.6, 1.4) + 40
        if self.kind == "delphi" and self.family.form == "exe" and self.rng.random() < 0.4:
            return (), size  # stripped: only the header entry is left
        return (("reloc", size),), 0.0

    def _pdata(self) -> tuple[Parts, float]:
        return (("pointers", self.code * 0.03 + 60),), 0.0

    def _xdata(self) -> tuple[Parts, float]:
        return (("pointers", self.code * 0.03 + 60),), 0.0

    def _tls(self) -> tuple[Parts, float]:
        if self.kind == "delphi":
            return (), self.rng.choice([8.0, 12.0, 20.0, 60.0, 276.0])
        return (("pointers", 24.0),), 0.0

    def _crt(self) -> tuple[Parts, float]:
        return (("data", 48.0),), 0.0

    def _small(self) -> tuple[Parts, float]:
        return (("pointers", float(self.rng.integers(12, 90))),), 0.0

    def _delay(self) -> tuple[Parts, float]:
        return (("pointers", float(self.rng.integers(16, 900))),), 0.0

    def _debug(self) -> tuple[Parts, float]:
        return (("symbols", self.code * self.rng.uniform(0.05, 0.6)),), 0.0

    def _eh_frame(self) -> tuple[Parts, float]:
        return (("pointers", self.code * self.rng.uniform(0.03, 0.15)),), 0.0


def _section_table(family: Family, rng: np.random.Generator, builder: _Builder) -> list[Section]:
    sections = []
    for name, role, optional in family.toolchain.slots(family.form):
        if optional and rng.random() < 0.5:
            continue
        if role == "rsrc" and family.toolchain.name != "resources":
            absent = {"exe": 0.06, "dll": 0.16, "driver": 0.3}[family.form]
            if rng.random() < absent:
                continue
        if role == "tls" and rng.random() > max(family.toolchain.tls, 0.1):
            continue
        if name == ".reloc" and family.form == "exe" and rng.random() < 0.25 and role == "reloc":
            continue
        parts, extra = builder.parts(role)
        flags = family.toolchain.flags.get(role, names.ROLE_FLAGS[role])
        sections.append(Section(name, flags, role, parts, extra))
    return sections


def random_name(rng: np.random.Generator, style: int) -> str:
    """A section name without meaning: letters, mixed case behind a dot, or lower case."""
    lower = "abcdefghijklmnopqrstuvwxyz"
    letters = lower if style != 0 else lower + lower.upper()
    length = int(rng.integers(1, 7)) if style == 0 else int(rng.integers(5, 9))
    word = "".join(letters[int(i)] for i in rng.integers(0, len(letters), length))
    return (("." + word) if style != 1 else word)[:8]


def _scaled(parts: Parts, factor: float) -> Parts:
    return tuple((kind, size * factor) for kind, size in parts)


def _total(parts: Parts) -> float:
    return sum(size for _, size in parts)


# Flags of the sections that packers leave.
_WRITE, _EXECUTE_WRITE, _PROTECTED = 0xC0000040, 0xE0000020, 0x60000060
_PACKED, _PACKED_BSS = 0xE0000040, 0xE0000080


def _crypted(
    sections: list[Section], family: Family, rng: np.random.Generator, role: str
) -> list[Section]:
    """Hide a payload in the section with this role, or in what comes closest to it."""
    wanted = {
        "code": ("code", "il"),
        "data": ("data", "rdata", "code"),
        "rsrc": ("rsrc", "data", "code", "il"),
    }[role]
    if role == "data" and rng.random() < 0.25:
        wanted = ("rdata", "data", "code")
    present = [section.role for section in sections]
    target = next((present.index(name) for name in wanted if name in present), 0)
    section = sections[target]
    size = lognormal(rng, family.payload_size, 0.35)
    if role == "code":
        kind = family.payload_kind if family.payload_kind in ("packed", "cipher") else "morphed"
        code = _total(section.parts)
        share = rng.uniform(0.55, 0.97)
        parts: Parts = ((section.parts[0][0], code * (1 - share)), (kind, code * share))
    else:
        parts = (*section.parts, (family.payload_kind, size))
    sections[target] = replace(section, parts=parts)
    return sections


def _infect(sections: list[Section], family: Family, rng: np.random.Generator) -> list[Section]:
    kind = str(rng.choice(["cipher", "morphed", "packed"]))
    size = lognormal(rng, 40e3, 0.9)
    choice = int(rng.integers(len(names.INFECTOR_SECTIONS) * 2))
    name = (
        names.INFECTOR_SECTIONS[choice]
        if choice < len(names.INFECTOR_SECTIONS)
        else random_name(rng, 1)
    )
    if rng.random() < 0.4:  # append to the last section instead
        last = sections[-1]
        sections[-1] = replace(
            last, parts=(*last.parts, (kind, size)), flags=last.flags | 0xE0000000
        )
        return sections
    return [*sections, Section(name, 0xE0000060, "code", ((kind, size),), 0.0, packed_virtual=True)]


def _packed_table(
    sections: list[Section], family: Family, rng: np.random.Generator
) -> tuple[list[Section], int]:
    """The table that a packer leaves, and the index of the entry section."""
    packaging = family.packaging
    raw = 2.2 * sum(_total(section.parts) for section in sections if section.role != "rsrc")
    ratio = rng.uniform(0.32, 0.5)
    resource = [section for section in sections if section.role == "rsrc"]
    resources = [
        replace(section, flags=_WRITE, parts=(*_scaled(section.parts, 0.9), ("names", 250.0)))
        for section in resource
    ]
    stub = (("x86", 420.0), ("names", 180.0))
    body: Parts = (("packed", raw * ratio), *stub)
    first, second = names.PACKER_SECTIONS.get(packaging, ("", ""))
    if packaging in ("upx", "nspack", "fsg", "mew"):
        tail = resources or [
            Section(first[:3] + "2" if first else "", _WRITE, "idata", (("names", 300.0),))
        ]
        table = [
            Section(first, _PACKED_BSS, "bss", (), raw * 1.05),
            Section(second, _PACKED, "packed", body, 0.0, packed_virtual=True),
            *tail,
        ]
        return table, 0
    if packaging in ("mpress", "petite"):
        small = Section(second, _WRITE, "stub", stub, 500.0)
        table = [
            Section(
                first,
                _EXECUTE_WRITE,
                "code",
                (("packed", raw * ratio),),
                raw * (1 - ratio),
                packed_virtual=True,
            ),
            *([small] if second != ".rsrc" else []),
            *resources,
        ]
        return table, 0
    if packaging == "aspack":
        kept = [
            replace(
                section,
                flags=section.flags | 0x80000000,
                parts=_compressed(section.parts, rng.uniform(0.35, 0.55)),
                extra=section.extra + _total(section.parts) * 0.5,
            )
            for section in sections
        ]
        table = [
            *kept,
            Section(
                first,
                0xE0000040,
                "code",
                (("cipher", 3500.0), ("x86", 1500.0)),
                0.0,
                packed_virtual=True,
            ),
            Section(second, 0xC0000040, "bss", (), 4096.0),
        ]
        return table, 0 if rng.random() < 0.3 else len(kept)
    if packaging == "themida":
        blank = " " * 8
        table = [
            Section(
                blank if rng.random() < 0.6 else first,
                _EXECUTE_WRITE,
                "code",
                (("packed", raw * 0.6),),
                raw * 0.6,
                packed_virtual=True,
            ),
            *resources,
            Section(".idata  ", _WRITE, "idata", (("names", 120.0), ("zero", 300.0))),
            Section(blank, _PACKED, "bss", (("zero", 200.0),), 2e6),
            Section(
                random_name(rng, 1),
                _PACKED,
                "code",
                (("packed", lognormal(rng, 9e5, 0.3)),),
                0.0,
                packed_virtual=True,
            ),
            Section(random_name(rng, 1), _PACKED, "stub", (("names", 120.0), ("zero", 300.0))),
        ]
        return table, len(table) - 1
    # vmprotect: the original sections emptied, two of its own behind them
    kept = [
        replace(section, parts=_scaled(section.parts, 0.25))
        if section.role in ("code", "rdata")
        else section
        for section in sections
    ]
    size = lognormal(rng, 6e5, 0.7)
    table = [
        *kept,
        Section(first, _PROTECTED, "code", (("x86", size * 0.2),), 0.0),
        Section(second, _PROTECTED, "code", (("cipher", size * 0.3), ("packed", size * 0.5)), 0.0),
    ]
    return table, len(table) - 1


def _compressed(parts: Parts, ratio: float) -> Parts:
    return (("packed", _total(parts) * ratio),) if parts else ()


def _shuffled(sections: list[Section], family: Family, rng: np.random.Generator) -> list[Section]:
    """Cut the code into many sections with meaningless names, as morphing crypters do."""
    code = lognormal(rng, max(family.code_size, 8e4), 0.4)
    number = int(rng.integers(4, 11))
    shares = rng.dirichlet(np.full(number, 2.0))
    kind = str(rng.choice(["morphed", "x86", "cipher"]))
    pieces = [
        Section(random_name(rng, 0), _EXECUTE_WRITE if rng.random() < 0.3 else 0x60000020, "code",
            ((kind, code * share),),
                lognormal(rng, 4e4, 1.5) if rng.random() < 0.4 else 0.0)
        for share in shares
    ]  # fmt: skip
    if rng.random() < 0.5:
        pieces[0] = replace(pieces[0], name=".text")
    return [*pieces, *(section for section in sections if section.role not in ("code", "rdata"))]


def _overlay(family: Family, rng: np.random.Generator) -> Parts:
    parts: Parts = ()
    size = 0.0
    if family.packaging in ("nsis", "inno", "sfx"):
        size = lognormal(rng, HABITS.installed[family.content], 1.2)
        parts = (("packed", size), ("data", 400.0))
    elif family.packaging == "overlay":
        size = lognormal(rng, family.payload_size, 0.4)
        kind = family.payload_kind
        parts = (
            (("x86", size * 0.5), ("text", size * 0.1), ("data", size * 0.4))
            if kind == "x86"
            else ((kind, size),)
        )
    elif family.overlay:
        size = lognormal(rng, family.overlay, 0.5)
        parts = ((family.payload_kind, size),)
    return parts


_PACKERS = ("upx", "nspack", "fsg", "mew", "mpress", "petite", "aspack", "themida", "vmprotect")


def draw_program(seed: int, family: Family, variant: int) -> Program:
    """The program `variant` of a family; a pure function of its arguments."""
    rng = generator(seed, "program", family.label, family.index, variant)
    toolchain = family.toolchain
    imports = _imports(family, rng)
    exports = _exports(family, rng)
    builder = _Builder(family, rng, imports, exports)
    sections = _section_table(family, rng, builder)
    if not sections:
        sections = [Section(".text", 0x60000020, "code", (("x86", 1500.0),))]
    entry = next((i for i, s in enumerate(sections) if s.role in ("code", "il")), 0)
    if toolchain.name == "ngen":
        entry = 1
    if "itext" in [section.role for section in sections] and rng.random() < 0.1:
        entry = 1
    random_names = False
    size_of_code: float | None = None
    dll_word = choose(rng, toolchain.dll_words)

    packaging = family.packaging
    if packaging in _PACKERS:
        sections, entry = _packed_table(sections, family, rng)
        stub = "upx" if packaging == "upx" else ("stub" if rng.random() < 0.6 else "stub_small")
        imports = _packed_imports(rng, stub, imports, 0.9)
        random_names = packaging == "themida"
        if rng.random() < 0.1:
            exports = ()
    elif packaging.startswith("crypt_"):
        role = {"crypt_code": "code", "crypt_data": "data", "crypt_resource": "rsrc"}[packaging]
        sections = _crypted(sections, family, rng, role)
        if rng.random() < 0.25:
            imports = _packed_imports(rng, "stub", imports, 0.5)
    elif packaging == "infected":
        sections = _infect(sections, family, rng)
        entry = len(sections) - 1 if rng.random() < 0.25 else entry
    elif packaging == "shuffled":
        sections = _shuffled(sections, family, rng)
        entry, random_names = int(rng.integers(0, 2)), True
    elif packaging == "stripped":
        blank = rng.random() < 0.5
        sections = [
            replace(section, name="" if blank else random_name(rng, 0), parts=_morph(section.parts))
            for section in sections
        ]
        imports = () if rng.random() < 0.6 else _packed_imports(rng, "stub_small", imports, 0.3)
        size_of_code = 0.0 if rng.random() < 0.3 else None
    elif packaging == "nsis":
        surplus = lognormal(rng, 120e3, 1.0)
        position = next((i for i, s in enumerate(sections) if s.role == "rsrc"), len(sections))
        sections.insert(position, Section(".ndata", 0xC0000080, "bss", (), surplus))

    symbols = int(lognormal(rng, 1500, 1.2)) if rng.random() < toolchain.symbols else 0
    if toolchain.name == "vc6" and rng.random() < 0.03:
        symbols = int(rng.integers(30, 900))
    gui = by_archetype(HABITS.windows, toolchain, family.form)[family.behaviour]
    subsystem = "WINDOWS_GUI" if rng.random() < gui else "WINDOWS_CUI"
    if family.form == "driver":
        subsystem = "EFI_BOOT_SERVICE_DRIVER" if toolchain.name == "efi" else "NATIVE"
        if toolchain.name == "efi" and rng.random() < 0.3:
            subsystem = "EFI_RUNTIME_DRIVER"

    linked = max(0.0, family.age + family.spread * float(rng.uniform(-1, 1)))
    return Program(
        family=family,
        toolchain=toolchain,
        seed=int(rng.integers(1 << 62)),
        linker=version(choose(rng, toolchain.linkers)),
        system=version(choose(rng, toolchain.system)),
        subsystem=subsystem,
        dll_word=dll_word,
        coff_word=toolchain.coff[family.form],
        alignment=choose(rng, toolchain.file_alignment),
        sections=tuple(sections),
        entry=min(entry, len(sections) - 1),
        overlay=_overlay(family, rng),
        imports=imports,
        exports=exports,
        debug=bool(family.debug > 0 and rng.random() < 0.93),
        tls=any(section.role == "tls" for section in sections),
        symbols=symbols,
        random_names=random_names,
        linked=linked,
        size_of_code=size_of_code,
    )


def _morph(parts: Parts) -> Parts:
    """Encrypted in place: the sizes stay, the content is gone."""
    return tuple(("cipher" if kind != "zero" else "zero", size) for kind, size in parts)
