"""The raw features of one program, as EMBER's JSON has them. The program is read, and nothing else.

Written from the release's rows and from what the parser of its time, lief 0.8.3 and 0.9.0 (Apache
2.0), says in its source. Newer lief tells some things by other names, or otherwise; where the two
differ, the release's rows decide. `docs/corpora.md` lists the differences.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import lief
import numpy as np

from dokunuki.corpus.extract.listing import ProgramError
from dokunuki.corpus.layout import DATA_DIRECTORIES, HEADER_NUMBERS
from dokunuki.corpus.validation import HISTOGRAM_BINS, PRINTABLE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dokunuki.corpus.validation import Row

# Names that newer lief spells otherwise than the release's rows.
_RESPELLED = {"NEED_32BIT_MACHINE": "CHARA_32BIT_MACHINE"}
# What the release's rows have for a machine, say, that lief does not know.
_NAMELESS = "???"
# Both names stood for this one bit then; it has been MEM_16BIT alone since, and the bit beside it
# MEM_PURGEABLE.
_MEM_16BIT = 0x20000
_LONGEST_NAME = 10_000
_WINDOW, _STEP = 2048, 1024
_ENTROPY_BINS = 16
# Bytes that are counted at a time: NumPy counts whole numbers of eight bytes.
_BLOCK = 1024 * _STEP

_SHORTEST_STRING = 5
# What is looked for, in a file whose letters are small for the first.
_WORDS_OF_ANY_CASE = {"paths": (b"c:\\",), "urls": (b"http://", b"https://")}
_WORDS = {"registry": (b"HKEY_",), "MZ": (b"MZ",)}


def program_features(content: bytes, version: int) -> Row:
    """The raw features of one program, in EMBER's keys and order, without sha256, label and date.

    `content` is the whole file, `version` 1 or 2. Raises ProgramError when the file is empty, when
    it does not begin as a program of Windows does, when lief cannot parse it, and when its sections
    go beyond its end.
    """
    with warnings.catch_warnings():
        # Of numbers without a name.
        warnings.simplefilter("ignore", RuntimeWarning)
        return _features(content, version)


def _features(content: bytes, version: int) -> Row:
    binary = _parsed(content)
    values = np.frombuffer(content, dtype=np.uint8)
    histogram = np.zeros(HISTOGRAM_BINS, dtype=np.int64)
    for block in _blocks(values):
        histogram += np.bincount(block, minlength=HISTOGRAM_BINS)
    exported = (_text(export.name) for export in binary.exported_functions)
    features = {
        "histogram": histogram.tolist(),
        "byteentropy": byte_entropy(values).ravel().tolist(),
        "strings": _strings(content, values, histogram),
        "general": _general(binary, len(content)),
        "header": _header(binary),
        "section": _sections(binary),
        "imports": _imports(binary, ordinals=version > 1),
        "exports": [name[:_LONGEST_NAME] for name in exported],
    }
    return features | ({"datadirectories": _directories(binary)} if version > 1 else {})


def byte_entropy(values: np.ndarray) -> np.ndarray:
    """How often each high half-byte stands in windows of each entropy: int64 (16, 16).

    `values` is uint8 (n,). Windows are 2,048 bytes long and begin every 1,024 bytes; a shorter file
    is one window. Their entropy is that of the high half-bytes, twice as large, in float32.
    """
    halves = values >> 4
    if len(values) < _WINDOW:
        windows = np.bincount(halves, minlength=16)[None]
    else:
        whole = halves[: len(values) // _STEP * _STEP]
        counts = np.concatenate([_counts_by_step(block) for block in _blocks(whole)])
        windows = counts[:-1] + counts[1:]
    bins = np.minimum((_window_entropies(windows) * np.float32(2)).astype(int), _ENTROPY_BINS - 1)
    table = np.zeros((_ENTROPY_BINS, 16), dtype=np.int64)
    np.add.at(table, bins, windows)
    return table


def _counts_by_step(halves: np.ndarray) -> np.ndarray:
    """Counts of each half-byte in every 1,024 bytes: int64 (n / 1024, 16)."""
    steps = len(halves) // _STEP
    places = np.repeat(np.arange(0, 16 * steps, 16), _STEP) + halves
    return np.bincount(places, minlength=16 * steps).reshape(steps, 16)


def _blocks(values: np.ndarray) -> Iterator[np.ndarray]:
    return (values[start : start + _BLOCK] for start in range(0, len(values), _BLOCK))


def _window_entropies(windows: np.ndarray) -> np.ndarray:
    """Twice the entropy of each row of counts, float32 (n,).

    Rows with equally many different half-bytes are summed together, zeros left out: the order in
    which a sum is taken decides its last bit, and a window may stand on the edge of a bin.
    """
    shares = windows.astype(np.float32) / np.float32(_WINDOW)
    present = windows > 0
    entropies = np.zeros(len(windows), dtype=np.float32)
    different = present.sum(axis=1)
    for count in np.unique(different):
        rows = np.flatnonzero(different == count)
        terms = shares[rows][present[rows]].reshape(len(rows), count)
        entropies[rows] = np.sum(-terms * np.log2(terms), axis=1)
    return entropies * np.float32(2)


def _parsed(content: bytes) -> lief.PE.Binary:
    if not content:
        raise ProgramError("empty", "the file is empty")
    if content[:2] != b"MZ":
        raise ProgramError("no_program", "not a Windows program: the file does not begin with MZ")
    # Its warnings go to the standard error, one or more a damaged file.
    lief.logging.disable()
    binary = lief.PE.parse(content)
    if not isinstance(binary, lief.PE.Binary):
        raise ProgramError("no_program", "lief finds no PE program in it, or only a part of one")
    for section in binary.sections:
        end = section.pointerto_raw_data + section.sizeof_raw_data
        # Linkers may leave out the last padding.
        missing = end - len(content)
        if section.sizeof_raw_data and missing >= max(1, binary.optional_header.file_alignment):
            raise ProgramError(
                "truncated",
                f"cut off: its section {_text(section.name)!r} goes to byte {end}, and the file "
                f"has {len(content)}; Windows would not load it",
            )
    return binary


def _strings(content: bytes, values: np.ndarray, histogram: np.ndarray) -> dict[str, Any]:
    """Numbers of the printable strings of at least five bytes."""
    # Ends of strings beside their starts: one array of places where printable begins or ends.
    printable = np.zeros(len(values) + 2, dtype=bool)
    np.less(values - np.uint8(0x20), PRINTABLE_BYTES, out=printable[1:-1])
    starts, ends = np.flatnonzero(printable[1:] != printable[:-1]).reshape(-1, 2).T
    lengths = ends - starts
    short = lengths < _SHORTEST_STRING
    found = len(lengths) - int(short.sum())
    counts = histogram[0x20 : 0x20 + PRINTABLE_BYTES].copy()
    for place in range(_SHORTEST_STRING - 1):
        letters = values[starts[short & (lengths > place)] + place] - np.uint8(0x20)
        counts -= np.bincount(letters, minlength=PRINTABLE_BYTES)
    total = int(counts.sum())
    entropy = 0.0
    if total:
        present = counts[counts > 0].astype(np.float32) / np.float64(total)
        entropy = float(np.sum(-present * np.log2(present)))
    small = content.lower()
    return {
        "numstrings": found,
        "avlength": total / found if found else 0,
        "printabledist": counts.tolist(),
        "printables": total,
        "entropy": entropy,
        **{name: sum(map(small.count, words)) for name, words in _WORDS_OF_ANY_CASE.items()},
        **{name: sum(map(content.count, words)) for name, words in _WORDS.items()},
    }


def _general(binary: lief.PE.Binary, size: int) -> dict[str, int]:
    # Newer lief counts functions that are loaded with a delay among the imported ones, the
    # release's did not.
    delayed = sum(
        not entry.is_ordinal and bool(entry.name)
        for library in binary.delay_imports
        for entry in library.entries
    )
    return {
        "size": size,
        "vsize": binary.virtual_size,
        "has_debug": int(binary.has_debug),
        "exports": len(binary.exported_functions),
        "imports": len(binary.imported_functions) - delayed,
        "has_relocations": int(binary.has_relocations),
        "has_resources": int(binary.has_resources),
        "has_signature": int(binary.has_signatures),
        "has_tls": int(binary.has_tls),
        "symbols": len(binary.symbols),
    }


def _header(binary: lief.PE.Binary) -> dict[str, Any]:
    coff, optional = binary.header, binary.optional_header
    return {
        "coff": {
            "timestamp": coff.time_date_stamps,
            "machine": _name(coff.machine),
            "characteristics": _names(coff.characteristics_list),
        },
        "optional": {
            "subsystem": _name(optional.subsystem),
            "dll_characteristics": _names(optional.dll_characteristics_lists),
            "magic": _name(optional.magic),
            **{key: getattr(optional, key) for key in HEADER_NUMBERS},
        },
    }


def _sections(binary: lief.PE.Binary) -> dict[str, Any]:
    sections = list(binary.sections)
    return {
        "entry": _entry(binary, sections),
        "sections": [
            {
                "name": _text(section.name),
                "size": section.size,
                "entropy": section.entropy,
                "vsize": section.virtual_size,
                "props": _properties(section),
            }
            for section in sections
        ],
    }


def _entry(binary: lief.PE.Binary, sections: list[lief.PE.Section]) -> str:
    """What the release calls the entry section.

    It looked for the entry point's address in memory among the places in the file, where it hardly
    ever is, and took the first executable section then.
    """
    address = binary.optional_header.imagebase + binary.optional_header.addressof_entrypoint
    for section in sections:
        start = section.pointerto_raw_data
        if start <= address < start + section.sizeof_raw_data:
            return _text(section.name)
    executable = lief.PE.Section.CHARACTERISTICS.MEM_EXECUTE
    return next((_text(s.name) for s in sections if s.has_characteristic(executable)), "")


def _properties(section: lief.PE.Section) -> list[str]:
    names = [name for name in _names(section.characteristics_lists) if name != "MEM_PURGEABLE"]
    if section.characteristics & _MEM_16BIT:
        names.insert(names.index("MEM_16BIT"), "MEM_PURGEABLE")
    return names


def _imports(binary: lief.PE.Binary, *, ordinals: bool) -> dict[str, list[str]]:
    """Functions by library. By number imported ones have no name in version 1's rows."""
    imports: dict[str, list[str]] = {}
    for library in binary.imports:
        # The same library may be listed more than once.
        functions = imports.setdefault(_text(library.name), [])
        for entry in library.entries:
            if entry.is_ordinal:
                functions.append(f"ordinal{entry.ordinal}" if ordinals else "")
            else:
                functions.append(_text(entry.name)[:_LONGEST_NAME])
    return imports


def _directories(binary: lief.PE.Binary) -> list[dict[str, Any]]:
    # By position, so that newer names make no difference; the reserved one was not told then.
    listed = list(binary.data_directories)[: len(DATA_DIRECTORIES)]
    return [
        {"name": name, "size": directory.size, "virtual_address": directory.rva}
        for name, directory in zip(DATA_DIRECTORIES, listed, strict=False)
    ]


def _names(members: Iterable[Any]) -> list[str]:
    return [_name(member) for member in members]


def _name(member: Any) -> str:  # noqa: ANN401 - an enumeration of lief
    # By name, since flags print as numbers. What has no name is a number now.
    name = getattr(member, "name", None) or _NAMELESS
    return _RESPELLED.get(name, name)


def _text(name: str | bytes) -> str:
    r"""A name as the release has it: bytes beyond ASCII as `\xd2`."""
    content = name.encode("utf-8", "surrogatepass") if isinstance(name, str) else bytes(name)
    return content.decode("ascii", "backslashreplace")
