"""Feature version 3 (EMBER2024): what its extractor says of a program, in the release's raw form.

A row is made of what the older versions say of the same program, and of `data/version3.yaml`. The
release's extractor reads with pefile: names of flags, sections in lower case and imports by number
are spelt as there, and the warnings are those that pefile would give of such a file.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, get_args

import msgspec
import numpy as np

from dokunuki.corpus.ember2024_layout import AUTHENTICODE, names
from simember.archetypes import TOOLCHAINS, Form, Weight
from simember.content import entropy
from simember.families import choose, lognormal
from simember.loading import check_names, read

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simember.program import Program

FIRST_WEEK = 1_695_513_600  # 2023-09-24, a Sunday
WEEK = 7 * 86_400
TRAIN_WEEKS, TEST_WEEKS = 52, 12
# Runs of fewer printable bytes are no strings.
_SHORTEST_STRING = 5
_EXECUTE, _WRITE = 0x20000000, 0x80000000
_INITIALISED, _UNINITIALISED, _CODE = 0x40, 0x80, 0x20
# A program that imports both, and little else, unpacks itself: so pefile.
_LOADERS = ("LoadLibrary", "GetProcAddress")
_FEW_IMPORTS = 20


class _Dos(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    members: dict[str, int]
    stub: bool


class _Rich(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    builds: tuple[int, ...]
    products: dict[str, int]


class _Signatures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    no_program_name: Weight
    no_countersigner: Weight
    chain: dict[int, Weight]
    days: float


class _Habits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`data/version3.yaml` explains the fields."""

    patterns: dict[str, Weight]
    no_words: tuple[str, ...]
    spelt: dict[str, str]
    by_case: tuple[str, ...]
    spread: float
    https: Weight
    file_path: Weight
    registry_key: Weight
    dos: dict[str, _Dos]
    memory: dict[str, tuple[int, int, int]]
    kinds: dict[str, tuple[str, ...]]
    image_base: dict[str, tuple[int, int]]
    rich: dict[str, _Rich]
    signatures: _Signatures
    checksum: dict[str, Weight]
    family_confidence: float


def _habits() -> _Habits:
    file = "version3.yaml"
    habits = read(file, _Habits)
    patterns = names().string_counts
    for key in ("patterns", "no_words", "spelt", "by_case"):
        check_names(file, key, getattr(habits, key), patterns)
    for key, listed in habits.kinds.items():
        check_names(file, f"kinds.{key}", listed, TOOLCHAINS)
    check_names(file, "rich", habits.rich, TOOLCHAINS)
    for key in ("image_base", "checksum"):
        check_names(file, key, get_args(Form), getattr(habits, key))
    for key, dos in habits.dos.items():
        check_names(file, f"dos.{key}", dos.members, names().dos_members)
    return habits


_HABITS = _habits()
_PATTERNS = names().string_counts
_PLACES = {name: place for place, name in enumerate(_PATTERNS)}
_RATES = np.array([_HABITS.patterns.get(name, 0.0) for name in _PATTERNS]) / 1000
_WORDS = {
    name: _HABITS.spelt.get(name, name if name in _HABITS.by_case else name.lower())
    for name in _PATTERNS
    if name not in _HABITS.no_words
}
_KINDS = {toolchain: kind for kind, listed in _HABITS.kinds.items() for toolchain in listed}


@dataclass(frozen=True)
class Image:
    """Where things lie in a file: what version 3 tells, and the older versions do not.

    `virtual` and `flags` are those of the sections in order, `addresses` where they are loaded,
    `empty` whether they hold nothing but null bytes. `overlay` (256) counts the bytes behind them,
    those of a certificate too, as pefile does.
    """

    virtual: tuple[int, ...]
    flags: tuple[int, ...]
    addresses: tuple[int, ...]
    empty: tuple[bool, ...]
    entry: int
    overlay: np.ndarray
    certificate: int
    symbol_table: int
    coff_word: int


def week_of(rng: np.random.Generator, file: int, train_files: int) -> tuple[int, int]:
    """A week of a file of the release, and a second within it, since 1970.

    The training files share the training weeks in order; the test weeks follow.
    """
    bounds = np.linspace(0, TRAIN_WEEKS, train_files + 1)
    low, high = (
        (bounds[file], bounds[file + 1])
        if file < train_files
        else (TRAIN_WEEKS, TRAIN_WEEKS + TEST_WEEKS)
    )
    week = int(low + rng.random() * (high - low))
    return week, FIRST_WEEK + week * WEEK + int(rng.integers(WEEK))


def identity(sha256: str, label: int, seconds: int, week: int, program: Program) -> dict[str, Any]:
    """What a row says of the file before its features; `row_form` completes it."""
    rng = np.random.default_rng(np.frombuffer(bytes.fromhex(sha256), dtype=np.uint32))
    engines = int(rng.integers(68, 78))
    found = int(rng.integers(15, engines - 5)) if label else 0
    digest = hashlib.sha512(sha256.encode()).hexdigest()
    confidence = _HABITS.family_confidence
    return {
        "md5": digest[:32],
        "sha1": digest[32:72],
        "sha256": sha256,
        "tlsh": f"T1{digest[:70].upper()}",
        "first_submission_date": seconds,
        "last_analysis_date": seconds + int(rng.integers(90, 300)) * 86_400,
        "detection_ratio": f"{found}/{engines}",
        "label": label,
        "file_type": _file_type(program),
        "family": program.family.name if label else None,
        "family_confidence": float(rng.uniform(confidence, 1)) if label else None,
        **{key: [] for key in ("behavior", "file_property", "packer", "exploit", "group")},
        "week_id": week,
    }


def _file_type(program: Program) -> str:
    if program.toolchain.name in ("dotnet", "ngen"):
        return "Dot_Net"
    return f"Win{program.toolchain.bits}"


def row_form(
    row: dict[str, Any], program: Program, image: Image, rng: np.random.Generator, rebuilt: bool
) -> dict[str, Any]:
    """The feature groups in the form of version 3, made of those of version 2.

    A variant that is not `rebuilt` shares with its program what the program alone decides.
    """
    fixed = np.random.default_rng((program.seed, 3))
    own = rng if rebuilt else fixed
    size = row["general"]["size"]
    dos = _dos_header(program)
    header = _header(row, program, image, dos, own)
    sections = _sections(row, size, image)
    return {
        "histogram": row["histogram"],
        "byteentropy": row["byteentropy"],
        "strings": _strings(row, program, fixed, own),
        "general": {
            "size": size,
            "entropy": entropy(np.array(row["histogram"])),
            "is_pe": 1,
            "start_bytes": [
                *dos["e_magic"].to_bytes(2, "little"),
                *dos["e_cblp"].to_bytes(2, "little"),
            ],
        },
        "header": header,
        "section": sections,
        "imports": row["imports"],
        "exports": row["exports"],
        "datadirectories": _directories(row),
        "richheader": _rich_header(row, program, fixed),
        "authenticode": _authenticode(image, header["coff"]["timestamp"], own),
        "pefilewarnings": _warnings(row, image),
    }


@lru_cache(maxsize=1 << 16)
def _matches(name: str) -> tuple[int, ...]:
    """The patterns whose words stand in a name, as places."""
    if len(name) < _SHORTEST_STRING:
        return ()
    lower = name.lower()
    return tuple(
        _PLACES[pattern]
        for pattern, word in _WORDS.items()
        if word in (name if pattern in _HABITS.by_case else lower)
    )


def _held_in(pattern: str) -> tuple[int, ...]:
    """The patterns that match whatever matches a pattern: those whose words stand in its own."""
    return _matches(pattern) if pattern in _WORDS else ()


def _strings(
    row: dict[str, Any], program: Program, fixed: np.random.Generator, own: np.random.Generator
) -> dict[str, Any]:
    """The strings: what matches one pattern matches all whose words stand in it."""
    strings = row["strings"]
    number = strings["numstrings"]
    level = fixed.lognormal(0.0, _HABITS.spread)
    drawn = own.poisson(_RATES * level * number)
    https = int(own.binomial(strings["urls"], _HABITS.https))
    stub = _HABITS.dos.get(_kind(program), _HABITS.dos["default"]).stub
    for name, count in (
        ("url", strings["urls"]),
        ("http://", strings["urls"] - https),
        ("https://", https),
        ("file_path", own.binomial(strings["paths"], _HABITS.file_path)),
        ("registry_key", own.binomial(strings["registry"], _HABITS.registry_key)),
        ("dos_msg", int(stub)),
    ):
        drawn[_PLACES[name]] += count
    counts = np.zeros(len(_PATTERNS), dtype=np.int64)
    for place in np.flatnonzero(drawn).tolist():
        counts[list({place, *_held_in(_PATTERNS[place])})] += drawn[place]
    for name in _names(row):
        counts[list(_matches(name))] += 1
    counts = np.minimum(counts, number)
    return {
        **{key: strings[key] for key in ("numstrings", "avlength", "printabledist")},
        "printables": strings["printables"],
        "entropy": strings["entropy"],
        "string_counts": {
            name: int(count) for name, count in zip(_PATTERNS, counts, strict=True) if count
        },
    }


def _names(row: dict[str, Any]) -> Iterable[str]:
    yield from row["exports"]
    for library, functions in row["imports"].items():
        yield library
        # Those imported by number have no name in the file.
        yield from (name for name in functions if not name.startswith(f"{library}:ordinal"))


def _kind(program: Program) -> str:
    return _KINDS.get(program.toolchain.name, "default")


def _dos_header(program: Program) -> dict[str, int]:
    members = _HABITS.dos.get(_kind(program), _HABITS.dos["default"]).members
    return {
        **{name: members.get(name, 0) for name in names().dos_members},
        "e_lfanew": program.toolchain.pe_offset,
    }


def _header(
    row: dict[str, Any],
    program: Program,
    image: Image,
    dos: dict[str, int],
    own: np.random.Generator,
) -> dict[str, Any]:
    bits, form = program.toolchain.bits, program.family.form
    coff, optional = row["header"]["coff"], row["header"]["optional"]
    sections = row["section"]["sections"]
    memory = "driver" if form == "driver" else _kind(program)
    stack_reserve, stack_commit, heap_reserve = _HABITS.memory[memory]
    fixed = np.random.default_rng((program.seed, 4))
    kept = {key: value for key, value in optional.items() if key.startswith(("major", "minor"))}

    def first(flag: int) -> int:
        """Where the first section with this flag is loaded."""
        pairs = zip(image.addresses, image.flags, strict=True)
        return next((address for address, flags in pairs if flags & flag), 0)

    def raw(flag: int) -> int:
        pairs = zip(sections, image.flags, strict=True)
        return sum(section["size"] for section, flags in pairs if flags & flag)

    checked = image.certificate > 0 or fixed.random() < _HABITS.checksum[form]
    return {
        "coff": {
            "timestamp": coff["timestamp"],
            "machine": f"IMAGE_FILE_MACHINE_{coff['machine']}",
            "number_of_sections": len(sections),
            "number_of_symbols": program.symbols,
            "sizeof_optional_header": 224 if bits == 32 else 240,
            "pointer_to_symbol_table": image.symbol_table,
            # One bit each, in order.
            "characteristics": [
                name for bit, name in enumerate(names().coff_flags) if image.coff_word >> bit & 1
            ],
        },
        "optional": {
            "magic": 0x10B if bits == 32 else 0x20B,
            "subsystem": f"IMAGE_SUBSYSTEM_{optional['subsystem']}",
            **kept,
            "sizeof_code": optional["sizeof_code"],
            "sizeof_headers": optional["sizeof_headers"],
            "sizeof_image": row["general"]["vsize"],
            "sizeof_initialized_data": raw(_INITIALISED),
            "sizeof_uninitialized_data": sum(
                virtual
                for virtual, flags in zip(image.virtual, image.flags, strict=True)
                if flags & _UNINITIALISED
            ),
            "sizeof_stack_reserve": stack_reserve,
            "sizeof_stack_commit": stack_commit,
            "sizeof_heap_reserve": heap_reserve,
            "sizeof_heap_commit": optional["sizeof_heap_commit"],
            "address_of_entrypoint": image.addresses[image.entry]
            + int(fixed.random() * image.virtual[image.entry]),
            "base_of_code": first(_CODE),
            "base_of_data": first(_INITIALISED) if bits == 32 else 0,
            "image_base": _HABITS.image_base[form][bits == 64],
            "section_alignment": 4096,
            "checksum": int(own.integers(1 << 15, 1 << 25)) if checked else 0,
            "number_of_rvas_and_sizes": 16,
            # From the sixth bit on.
            "dll_characteristics": [
                name
                for bit, name in enumerate(names().dll_flags, start=5)
                if program.dll_word >> bit & 1
            ],
        },
        "dos": dos,
    }


def _sections(row: dict[str, Any], size: int, image: Image) -> dict[str, Any]:
    overlay = int(image.overlay.sum())
    return {
        "entry": row["section"]["entry"].lower(),
        "sections": [
            {
                "name": section["name"].lower(),
                "size": section["size"],
                "entropy": section["entropy"],
                "vsize": section["vsize"],
                "size_ratio": section["size"] / size,
                "vsize_ratio": section["size"] / max(section["vsize"], 1),
                "props": section["props"],
            }
            for section in row["section"]["sections"]
        ],
        "overlay": {
            "size": overlay,
            "size_ratio": overlay / size,
            "entropy": entropy(image.overlay) if overlay else 0,
        },
    }


def _directories(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The same directories in the same order under pefile's names, and the reserved one."""
    relocations = {"has_relocs": row["general"]["has_relocations"], "has_dynamic_relocs": 0}
    known = [*row["datadirectories"], {"size": 0, "virtual_address": 0}]
    return [
        relocations,
        *(
            {"name": name, "size": part["size"], "virtual_address": part["virtual_address"]}
            for name, part in zip(names().directories, known, strict=True)
        ),
    ]


def _rich_header(row: dict[str, Any], program: Program, fixed: np.random.Generator) -> list[int]:
    """Numbers of what was linked, by product and build; the imports have no build."""
    rich = _HABITS.rich.get(program.toolchain.name.removesuffix("x64"))
    if rich is None:
        return []
    build = rich.builds[int(fixed.integers(len(rich.builds)))]
    functions = sum(len(listed) for listed in row["imports"].values())
    objects = {
        "c": int(lognormal(fixed, 20, 0.8)),
        "cpp": int(lognormal(fixed, 30, 1.0)),
        "assembler": int(lognormal(fixed, 12, 0.4)),
        "resources": int(row["general"]["has_resources"]),
        "imports": functions,
        "linker": 1,
    }
    return [
        number
        for key, product in rich.products.items()
        if objects[key]
        for number in ((product << 16) + (0 if key == "imports" else build), objects[key])
    ]


def _authenticode(image: Image, stamp: int, own: np.random.Generator) -> dict[str, float]:
    said: dict[str, float] = dict.fromkeys((key for key, _ in AUTHENTICODE), 0)
    if not image.certificate:
        return said
    habits = _HABITS.signatures
    unnamed = own.random() < habits.no_program_name
    untimed = own.random() < habits.no_countersigner
    delay = 0 if untimed else int(lognormal(own, habits.days, 1.2) * 86_400)
    return {
        **said,
        "num_certs": 1,
        "empty_program_name": int(unnamed),
        "no_countersigner": int(untimed),
        "chain_max_depth": choose(own, habits.chain),
        "latest_signing_time": 0 if untimed else stamp + delay,
        "signing_time_diff": delay,
    }


def _warnings(row: dict[str, Any], image: Image) -> list[str]:
    """What pefile would warn of."""
    found = set()
    shares = np.array(row["histogram"]) / row["general"]["size"]
    if shares[0] > 0.5 or (shares[1:] > 0.15).any():
        found.add("Byte 0x...")
    both = _EXECUTE | _WRITE
    sections = row["section"]["sections"]
    for section, flags, empty in zip(sections, image.flags, image.empty, strict=True):
        if flags & both == both and section["name"] != "PAGE":
            found.add("Suspicious flags set for section...")
        if section["size"] and empty:
            found.add("...Contents are null-bytes.")
    functions = [name for listed in row["imports"].values() for name in listed]
    loads = all(any(name.startswith(word) for name in functions) for word in _LOADERS)
    if loads and len(functions) < _FEW_IMPORTS:
        found.add("Imported symbols contain entries typical of packed executables...")
    return sorted(found)
