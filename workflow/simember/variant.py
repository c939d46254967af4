"""From a program to a row: one variant of it, as EMBER's extractor would describe the file."""

from __future__ import annotations

import calendar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from dokunuki.corpus.layout import DATA_DIRECTORIES
from simember import version3
from simember.content import Content, Noise, draw_content, entropy, kind_indices
from simember.flags import coff_flags, dll_flags, section_flags
from simember.program import Program, Section, random_name

if TYPE_CHECKING:
    from collections.abc import Iterator

NEAR = 0.01  # a variant with less change than this keeps sizes and imports
_PAGE = 4096  # sections are loaded at multiples of this
_YEAR = 31_556_952  # seconds
_DELPHI_STAMP = 708_992_537  # 1992-06-19 22:22:17, which old Delphi writes into every program
# The middle of the release, by version: when programs that are not built anew are aged.
_YEARS = {3: 2024}
_HEADER, _OVERLAY = -1, -2  # owners of parts that lie in no section
_COMPRESSED_IMAGES = frozenset({"upx", "nspack", "fsg", "mew"})
_KEPT_NAMES = frozenset(
    (".text", ".rdata", ".data", ".rsrc", ".reloc", ".idata", ".idata  ", ".tls", ".gfids")
)
# Ordinal imports of these DLLs are resolved to names by the parser that EMBER used, and so they
# count as imported functions; those of other DLLs do not.
_RESOLVED_ORDINALS = frozenset({"oleaut32.dll", "ws2_32.dll", "comctl32.dll", "shlwapi.dll"})


def _align(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment


@dataclass(frozen=True)
class _LaidOut:
    """A section of the file: raw and virtual size in bytes."""

    plan: Section
    name: str
    raw: int
    virtual: int


@dataclass
class _File:
    """Parts in file order with the section each belongs to, and what follows from them."""

    headers: int = 0
    certificate: int = 0
    kinds: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)
    sections: list[_LaidOut] = field(default_factory=list)

    def add(self, kind: str, size: int, owner: int) -> None:
        if size > 0:
            self.kinds.append(kind)
            self.sizes.append(size)
            self.owners.append(owner)

    def raw(self, role: str) -> int:
        """Bytes in the file of the sections with this role."""
        return sum(section.raw for section in self.sections if section.plan.role == role)

    def addresses(self) -> Iterator[tuple[int, _LaidOut]]:
        """Where each section is loaded, relative to the image."""
        address = _align(self.headers, _PAGE)
        for section in self.sections:
            yield address, section
            address += _align(section.virtual, _PAGE)

    @property
    def image(self) -> int:
        """Bytes in memory."""
        return _align(self.headers, _PAGE) + sum(
            _align(section.virtual, _PAGE) for section in self.sections
        )


def _jittered(size: float, rng: np.random.Generator, change: float) -> int:
    if change <= NEAR or size < 64:
        return int(size)
    return int(size * np.exp(change * rng.standard_normal()))


def _lay_out(program: Program, rng: np.random.Generator, change: float) -> _File:
    toolchain, packaging = program.toolchain, program.family.packaging
    file = _File()
    table_end = toolchain.pe_offset + 24 + (224 if toolchain.bits == 32 else 240)
    table_end += 40 * len(program.sections)
    file.headers = _align(table_end, program.alignment)
    file.add("header", table_end, _HEADER)
    file.add("zero", file.headers - table_end, _HEADER)
    for position, section in enumerate(program.sections):
        used = 0
        for kind, expected in section.parts:
            size = max(0, _jittered(expected, rng, change))
            file.add(kind, size, position)
            used += size
        raw = _align(used, program.alignment)
        filler = "padding" if section.role == "rsrc" and raw - used > 64 else "zero"
        file.add(filler, raw - used, position)
        virtual = max(1, used + int(section.extra))
        if section.packed_virtual or packaging in _COMPRESSED_IMAGES:
            virtual = _align(max(virtual, raw), _PAGE)
        name = section.name
        if program.random_names and name not in _KEPT_NAMES and name.strip():
            name = random_name(rng, 0 if name.startswith(".") else 1)
        file.sections.append(_LaidOut(section, name, raw, virtual))
    for kind, expected in program.overlay:
        file.add(kind, _jittered(expected, rng, max(change, 2 * NEAR)), _OVERLAY)
    if program.symbols:  # 18 bytes each, every second one with a long name
        file.add("symbols", 18 * program.symbols + 14 * (program.symbols // 2), _OVERLAY)
    if rng.random() < program.family.signed:
        file.certificate = int(rng.integers(5000, 9500))
        file.add("certificate", file.certificate, _OVERLAY)
    return file


def _mz(content: Content, file: _File, program: Program, rng: np.random.Generator) -> int:
    """How often "MZ" stands in the file: at its start, in start-up code, embedded, by chance."""
    chance = (content.parts[:, 0x4D] * content.parts[:, 0x5A] / np.array(file.sizes)).sum()
    embedded = sum(
        owner == _OVERLAY and kind == "x86"
        for kind, owner in zip(file.kinds, file.owners, strict=True)
    )
    found = 1 + program.toolchain.mz + embedded + int(rng.poisson(chance))
    return int(min(found, content.histogram[0x4D], content.histogram[0x5A]))


def _strings(
    content: Content, file: _File, program: Program, rng: np.random.Generator
) -> dict[str, Any]:
    family = program.family
    characters = content.characters
    printables = int(characters.sum())
    number = max(content.strings, 1) if printables >= 5 else 0
    urls = int(rng.poisson(family.urls))
    if file.certificate:  # revocation lists and policies
        urls += int(rng.integers(4, 13))
    paths = int(rng.poisson(family.paths))
    if program.debug and rng.random() < 0.3:  # where the .pdb file lay
        paths += 1
    colons, slashes, backslashes, underscores = (int(characters[ord(c) - 32]) for c in ":/\\_")
    return {
        "numstrings": number,
        "avlength": printables / number if number else 0.0,
        "printabledist": characters.tolist(),
        "printables": printables,
        "entropy": entropy(characters) if printables else 0.0,
        "paths": min(paths, colons, backslashes),
        "urls": min(urls, colons, slashes // 2),
        "registry": min(int(rng.poisson(family.registry)), underscores),
        "MZ": _mz(content, file, program, rng),
    }


def _time_stamp(
    program: Program, rng: np.random.Generator, appeared: int, change: float, year: int
) -> int:
    """Seconds since 1970; what a linker writes, or what was put in its place."""
    fixed = np.random.default_rng((program.seed, 1))  # the same for all variants of the program
    toolchain = program.toolchain
    if program.family.forged:
        return int(fixed.integers(0, 1 << 32))
    if toolchain.stamp == "fixed1992":
        return _DELPHI_STAMP
    if toolchain.stamp == "zero" and fixed.random() < 0.8:
        return 0
    if toolchain.stamp == "random" and fixed.random() < 0.4:  # a hash of the content
        return int(rng.integers(0, 1 << 32))
    if program.linker == (48, 0) and fixed.random() < 0.3:  # deterministic builds of .NET
        return int(rng.integers(1 << 31, 1 << 32))
    age = int(program.linked * _YEAR)
    if program.family.recent:
        return appeared - age - int(rng.integers(0, 25 * 86400))
    stamp = calendar.timegm((year, 6, 1, 0, 0, 0)) - age - int(fixed.integers(0, 30 * 86400))
    if change > NEAR or rng.random() < 0.3:
        stamp += int(rng.normal(0, 40 * 86400))
    first = calendar.timegm((toolchain.years[0], 1, 1, 0, 0, 0))
    return int(np.clip(stamp, first, appeared))


def _imports(
    program: Program, rng: np.random.Generator, change: float, version: int
) -> tuple[dict[str, list[str]], int]:
    """Imported functions by DLL as EMBER's extractor shows them, and how many it counts.

    An ordinal is shown without a name in version 1, as `ordinal<n>` in version 2, and with its DLL
    before it in version 3.
    """
    shown: dict[str, list[str]] = {}
    counted = 0
    drop = 0.3 * change if change > NEAR else 0.0
    for dll, functions in program.imports:
        kept = functions
        if drop and len(functions) > 3:
            uses = rng.random(len(functions)) >= drop
            kept = tuple(name for name, use in zip(functions, uses, strict=True) if use)
        if not kept:
            continue
        named = sum(not name.isdigit() for name in kept)
        counted += len(kept) if dll.lower() in _RESOLVED_ORDINALS else named
        shown[dll] = [name if not name.isdigit() else _ordinal(dll, name, version) for name in kept]
    return shown, counted


def _ordinal(dll: str, number: str, version: int) -> str:
    return ("", f"ordinal{number}", f"{dll}:ordinal{number}")[version - 1]


def _section_rows(file: _File, content: Content) -> list[dict[str, Any]]:
    owners = np.array(file.owners)
    rows = []
    for position, section in enumerate(file.sections):
        counts = content.parts[owners == position].sum(axis=0)
        rows.append(
            {
                "name": section.name,
                "size": section.raw,
                "entropy": entropy(counts) if section.raw else 0.0,
                "vsize": section.virtual,
                "props": section_flags(section.plan.flags),
            }
        )
    return rows


def _has_relocations(file: _File) -> bool:
    return file.raw("reloc") > 0 or any(
        section.plan.role == "small" and section.plan.name == ".reloc" for section in file.sections
    )


def _coff_word(program: Program, relocations: bool) -> int:
    """The COFF characteristics; programs without relocations say so, except Delphi's."""
    word = program.coff_word
    if relocations:
        return word & ~0x0001
    delphi = program.toolchain.name.startswith("delphi")
    return word | 0x0001 if program.family.form == "exe" and not delphi else word


def _size_of_code(program: Program, file: _File) -> int:
    if program.size_of_code is not None:
        return int(program.size_of_code)
    if program.family.packaging in _COMPRESSED_IMAGES:
        return _align(file.sections[1].raw, _PAGE)
    return sum(section.raw for section in file.sections if section.plan.flags & 0x20)


def _header(
    program: Program, file: _File, time_stamp: int, relocations: bool
) -> dict[str, dict[str, Any]]:
    toolchain = program.toolchain
    subsystem = max(program.system, (4, 0)) if toolchain.name != "efi" else (0, 0)
    return {
        "coff": {
            "timestamp": time_stamp,
            "machine": "I386" if toolchain.bits == 32 else "AMD64",
            "characteristics": coff_flags(_coff_word(program, relocations)),
        },
        "optional": {
            "subsystem": program.subsystem,
            "dll_characteristics": dll_flags(program.dll_word),
            "magic": "PE32" if toolchain.bits == 32 else "PE32_PLUS",
            "major_image_version": program.family.image_version[0],
            "minor_image_version": program.family.image_version[1],
            "major_linker_version": program.linker[0],
            "minor_linker_version": program.linker[1],
            "major_operating_system_version": program.system[0],
            "minor_operating_system_version": program.system[1],
            "major_subsystem_version": subsystem[0],
            "minor_subsystem_version": subsystem[1],
            "sizeof_code": _size_of_code(program, file),
            "sizeof_headers": file.headers,
            "sizeof_heap_commit": toolchain.heap_commit,
        },
    }


def _data_directories(program: Program, file: _File, row: dict[str, Any]) -> list[dict[str, Any]]:
    """The data directories as feature version 2 shows them, in the order of the format."""
    general, imports, exports = row["general"], row["imports"], row["exports"]
    word = program.toolchain.bits // 8
    managed = program.toolchain.name in ("dotnet", "ngen")
    places: dict[str, tuple[int, int]] = {}  # role: virtual size and address
    for address, section in file.addresses():
        places.setdefault(section.plan.role, (section.virtual, address))
    body = next((places[role] for role in ("code", "il", "ngen_code") if role in places), (0, 4096))
    used, start = places.get("idata", places.get("rdata", body))
    functions = sum(len(names) for names in imports.values())
    found: dict[str, tuple[int, int]] = {
        "RESOURCE_TABLE": places.get("rsrc", (0, 0)),
        "EXCEPTION_TABLE": places.get("pdata", (0, 0)),
    }
    if exports:
        found["EXPORT_TABLE"] = (40 + 12 * len(exports), start + used // 2)
    if imports:
        found["IMPORT_TABLE"] = (20 * (len(imports) + 1), start + used // 4)
        found["IAT"] = (word * (functions + len(imports)), start)
    if file.certificate:  # the only one whose address counts in the file
        found["CERTIFICATE_TABLE"] = (file.certificate, general["size"] - file.certificate)
    if general["has_relocations"]:
        found["BASE_RELOCATION_TABLE"] = places.get("reloc", places.get("small", (0, 0)))
    if general["has_debug"]:
        found["DEBUG"] = (28, start + 64)
    if general["has_tls"]:
        found["TLS_TABLE"] = (6 * word, places["tls"][1])
    if program.linker[0] >= 8 and not managed:
        found["LOAD_CONFIG_TABLE"] = (16 * word, start + 128)
    if "delay" in places:
        found["DELAY_IMPORT_DESCRIPTOR"] = (64, places["delay"][1])
    if managed:
        found["CLR_RUNTIME_HEADER"] = (72, body[1] + 8)
    return [
        {"name": name, "size": size, "virtual_address": address}
        for name in DATA_DIRECTORIES
        for size, address in [found.get(name, (0, 0))]
    ]


def draw_variant(
    program: Program, rng: np.random.Generator, change: float, appeared: int, version: int
) -> dict[str, Any]:
    """The feature groups of one variant of a program, in EMBER's raw form and order.

    `change` is the share of the content's variance that is the variant's own; `appeared` (seconds
    since 1970) bounds the time stamp of honest linkers.
    """
    file = _lay_out(program, rng, change)
    noise = Noise.draw(np.random.default_rng(program.seed), len(file.sizes))
    noise = noise.blend(Noise.draw(rng, len(file.sizes)), change)
    content = draw_content(kind_indices(file.kinds), file.sizes, noise)
    imports, counted = _imports(program, rng, change, version)
    relocations = _has_relocations(file)
    year = _YEARS.get(version, 2017)
    row: dict[str, Any] = {
        "histogram": content.histogram.tolist(),
        "byteentropy": content.byte_entropy.tolist(),
        "strings": _strings(content, file, program, rng),
        "general": {
            "size": sum(file.sizes),
            "vsize": file.image,
            "has_debug": int(program.debug),
            "exports": len(program.exports),
            "imports": counted,
            "has_relocations": int(relocations),
            # Precompiled .NET keeps its resources in no section of their own.
            "has_resources": int(file.raw("rsrc") > 0 or program.toolchain.name == "ngen"),
            "has_signature": int(file.certificate > 0),
            "has_tls": int(program.tls),
            "symbols": program.symbols,
        },
        "header": _header(
            program, file, _time_stamp(program, rng, appeared, change, year), relocations
        ),
        "section": {
            "entry": file.sections[program.entry].name,
            "sections": _section_rows(file, content),
        },
        "imports": imports,
        "exports": list(program.exports),
    }
    if version >= 2:
        row["datadirectories"] = _data_directories(program, file, row)
    if version == 3:
        image = _image(program, file, content, relocations)
        return version3.row_form(row, program, image, rng, change > NEAR)
    return row


def _image(program: Program, file: _File, content: Content, relocations: bool) -> version3.Image:
    owners = np.array(file.owners)
    zeros = [
        int(content.parts[owners == position, 1:].sum()) == 0
        for position in range(len(file.sections))
    ]
    table = next((place for place, kind in enumerate(file.kinds) if kind == "symbols"), None)
    return version3.Image(
        virtual=tuple(section.virtual for section in file.sections),
        flags=tuple(section.plan.flags for section in file.sections),
        addresses=tuple(address for address, _ in file.addresses()),
        empty=tuple(zeros),
        entry=program.entry,
        overlay=content.parts[owners == _OVERLAY].sum(axis=0),
        certificate=file.certificate,
        symbol_table=0 if table is None or not program.symbols else sum(file.sizes[:table]),
        coff_word=_coff_word(program, relocations),
    )
