"""The quick check of a raw row: reading and checking in one pass, for a scan of a whole release.

Every row that it passes, `check_row` passes too. A row that it does not pass may still be sound:
`check_row` decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec

from dokunuki.corpus import ember2024_check
from dokunuki.corpus.layout import HEADER_NUMBERS
from dokunuki.corpus.texts import count_colons, count_keys, storable
from dokunuki.corpus.validation import (
    DIGEST_BYTES,
    GENERAL_NUMBERS,
    HISTOGRAM_BINS,
    PRINTABLE_BYTES,
    STRING_NUMBERS,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from dokunuki.corpus.validation import Row

# Far from where a sum leaves float32, and the integers that every reader takes for integers.
_Number = Annotated[float, msgspec.Meta(ge=0, le=1e30)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
# A text of at least one and at most no characters: a key that must not be there.
_Absent = Annotated[str, msgspec.Meta(min_length=1, max_length=0)]


class Identity(NamedTuple):
    """The identity of a sound row; `digest` is the sha256 in 32 bytes.

    `file_type` and `week`, which rows of version 3 tell, are a name of `weekly.FILE_TYPES` and the
    first day of a week.
    """

    digest: bytes
    label: int
    appeared: str
    avclass: str
    file_type: str = ""
    week: str = ""


def quick_identities(lines: Sequence[bytes], version: int) -> list[Identity | None]:
    """The identities of rows that are sound and of the usual form; None says nothing about a row.

    Some 16 lines at a time are fastest.
    """
    rows = [_decoded(line, version) for line in lines]
    if _keys_stand_once(lines, rows, version):
        return [row and row[0] for row in rows]
    return [
        row[0] if row and _keys_stand_once([line], [row], version) else None
        for line, row in zip(lines, rows, strict=True)
    ]


def quick_identity(line: bytes, version: int) -> Identity | None:
    """The same of one row."""
    return quick_identities([line], version)[0]


# A row's identity, its number of keys, and what of its line was left unread.
_Decoded = tuple[Identity, int, "Sequence[bytes]"]


def _decoded(line: bytes, version: int) -> _Decoded | None:
    if version == 3:
        found = ember2024_check.quick_identity(line)
        return found and (Identity(*found[0]), *found[1:])
    try:
        row = _DECODE[version](line)
        digest = bytes.fromhex(row.sha256)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if (
        len(digest) != DIGEST_BYTES
        or not (any(row.histogram) and any(row.byteentropy))
        or 0 < row.strings.printables < 1
    ):
        return None
    keys = _FIXED_KEYS[version] + 5 * len(row.section.sections) + len(row.imports)
    if version == 2:
        keys += 3 * len(row.datadirectories)
    keys -= (row.md5 is msgspec.UNSET) + (row.avclass is msgspec.UNSET)
    return Identity(digest, row.label, row.appeared, row.avclass or ""), keys, ()


def _keys_stand_once(lines: Sequence[bytes], rows: Sequence[_Decoded | None], version: int) -> bool:
    """Whether the lines of sound rows have as many keys as these: one that stands twice adds one.

    False too for lines that leave it open. Readers are silent about such keys and take the last.
    """
    sound = [line for line, row in zip(lines, rows, strict=True) if row]
    keys = sum(row[1] for row in rows if row)
    # Texts of version 3 have colons.
    if version != 3 and count_colons(sound) == keys:
        return True
    unread = [part for row in rows if row for part in row[2]]
    return count_keys(sound) == keys + count_keys(unread) >= keys


def row_identity(row: Row, version: int) -> Identity:
    """The identity of a row that `check_row` passed."""
    if version == 3:
        return Identity(*ember2024_check.identity(row))
    return Identity(
        bytes.fromhex(row["sha256"]),
        row["label"],
        storable(row["appeared"]),
        storable(str(row.get("avclass") or "")),
    )


def _counts(length: int) -> Any:  # noqa: ANN401 - a type
    # A tuple of known length is filled as it is read, where a list grows.
    return tuple[(_Count,) * length]  # type: ignore[misc]


def _block(name: str, fields: Iterable[tuple[Any, ...]]) -> Any:  # noqa: ANN401 - a type
    # An unknown key could hide what other readers refuse, so such rows are not passed here. Rows
    # hold no cycles, so the garbage collector need not follow them.
    return msgspec.defstruct(name, fields, gc=False, forbid_unknown_fields=True)


def _numbers(names: Iterable[str]) -> list[tuple[str, Any]]:
    return [(name, _Number) for name in names]


_PART = _block(
    "Part", [("name", str), *_numbers(("size", "entropy", "vsize")), ("props", list[str])]
)
_COFF = _block("Coff", [*_numbers(["timestamp"]), ("machine", str), ("characteristics", list[str])])
_OPTIONAL = _block(
    "Optional",
    [
        ("subsystem", str),
        ("magic", str),
        ("dll_characteristics", list[str]),
        *_numbers(HEADER_NUMBERS),
    ],
)
_DIRECTORY = _block("Directory", [("name", str), *_numbers(("size", "virtual_address"))])
_DIRECTORIES = {1: (_Absent, None), 2: (list[_DIRECTORY],)}  # type: ignore[valid-type]


def _decoder(version: int) -> tuple[Callable[[bytes], Any], int]:
    """What reads a row, and how many keys it has beside those that are listed one by one."""
    digits = msgspec.Meta(min_length=2 * DIGEST_BYTES, max_length=2 * DIGEST_BYTES)
    strings = _block(
        "Strings", [*_numbers(STRING_NUMBERS), ("printabledist", _counts(PRINTABLE_BYTES))]
    )
    general = _block("General", _numbers(GENERAL_NUMBERS))
    header = _block("Header", [("coff", _COFF), ("optional", _OPTIONAL)])
    section = _block("Section", [("entry", str), ("sections", list[_PART])])  # type: ignore[valid-type]
    fields = [
        ("sha256", Annotated[str, digits]),
        ("appeared", str),
        ("label", Annotated[int, msgspec.Meta(ge=-1, le=1)]),
        ("histogram", _counts(HISTOGRAM_BINS)),
        ("byteentropy", _counts(HISTOGRAM_BINS)),
        ("strings", strings),
        ("general", general),
        ("header", header),
        ("section", section),
        ("imports", dict[str, list[str]]),
        ("exports", list[str]),
        ("datadirectories", *_DIRECTORIES[version]),
        ("md5", str | msgspec.UnsetType, msgspec.UNSET),
        ("avclass", str | None | msgspec.UnsetType, msgspec.UNSET),
    ]
    # A required field cannot follow one with a default.
    fields.sort(key=len)
    row = _block("Row", fields)
    blocks = (row, strings, general, header, _COFF, _OPTIONAL, section)
    keys = sum(len(block.__struct_fields__) for block in blocks)
    # Version 1 has no directories, though a field for them.
    return msgspec.json.Decoder(row).decode, keys - (version == 1)


_DECODERS = {version: _decoder(version) for version in (1, 2)}
_DECODE = {version: decode for version, (decode, _) in _DECODERS.items()}
_FIXED_KEYS = {version: keys for version, (_, keys) in _DECODERS.items()}
