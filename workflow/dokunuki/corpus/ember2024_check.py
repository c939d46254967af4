"""Checks of raw rows of feature version 3 (EMBER2024), and what identifies them.

The types below are the format. Rows are checked against them as they are parsed, which is fast,
and a row that fails is looked at again to name its key.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache, reduce
from operator import attrgetter, getitem
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from dokunuki.corpus.ember2024_layout import AUTHENTICODE, COFF_NUMBERS, OPTIONAL_NUMBERS, names
from dokunuki.corpus.texts import storable
from dokunuki.corpus.weekly import week_start
from dokunuki.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Sequence

_HISTOGRAMS = ("histogram", "byteentropy")
_HISTOGRAM_BINS = 256
_PRINTABLE_BYTES = 96
_HEXADECIMAL = "^[0-9a-fA-F]{64}$"
# Blocks that are empty in the rows of files that are no programs for Windows.
_PROGRAM_BLOCKS = ("header", "section", "authenticode")
_DIRECTORY = ("name", "size", "virtual_address")
_RELOCATIONS = ("has_relocs", "has_dynamic_relocs")
# Lists of JSON objects, which half the published rows have.
_CAPABILITIES = ("caps", "ttps", "mbc")
# What rows may have beside what is read of them.
_UNREAD = (
    *("md5", "sha1", "tlsh", "last_analysis_date", "detection_ratio"),
    *("family_confidence", "behavior", "file_property", "packer", "exploit", "group"),
    *_CAPABILITIES,
)
_OVERLAY = ("size", "size_ratio", "entropy")
_UNREAD_OF_HEADER = ("magic", "base_of_data")
_TOLD = ("label", "first_submission_date", "family", "file_type", "week_id")
_IDENTITY = ("sha256", *_TOLD)
_of_identity = attrgetter(*_IDENTITY)
_of_directory, _of_relocations = attrgetter(*_DIRECTORY), attrgetter(*_RELOCATIONS)
_capabilities = attrgetter(*_CAPABILITIES)
_of_row, _of_header = attrgetter(*_TOLD, *_UNREAD), attrgetter(*_UNREAD_OF_HEADER)

# Numbers that are summed must not leave float32, which ends at 3e38; whole ones stay exact.
_Number = Annotated[float, msgspec.Meta(ge=0, le=1e30)]
_Signed = Annotated[float, msgspec.Meta(ge=-1e30, le=1e30)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
_Byte = Annotated[int, msgspec.Meta(ge=0, le=255)]
_Flag = Annotated[int, msgspec.Meta(ge=0, le=1)]
# Until the end of the year 9999, the last that a date can name.
_Seconds = Annotated[float, msgspec.Meta(ge=0, le=253402300799)]
# Far beyond all weeks of the release.
_Week = Annotated[int, msgspec.Meta(ge=0, le=10_000)]


# How msgspec says what is wrong, and where.
_PATH = re.compile(r"^(?P<what>.*?)(?: - at (?:`key` in )?`\$\.?(?P<path>.*)`)?$", re.DOTALL)
# A step of such a path: into a list or object, or to a key.
_STEP = re.compile(r"\[([^\]]*)\]|([^.\[\]]+)")

_Identity = tuple[bytes, int, str, str, str, str]


def check_row(row: dict[str, Any], where: str) -> None:
    """Raise CorpusError when a raw row cannot be vectorised; the message starts with `where`.

    Checked are every block and key that a column comes from, its type and range, the names of
    patterns, directories and warnings, the sha256, and the label (-1, 0 or 1), which may be
    missing. Blocks that only programs for Windows have may be empty.
    """
    _convert(row, _types().common, "", where)
    for key in _PROGRAM_BLOCKS:
        if row[key]:
            _convert(row[key], _types().blocks[key], f"{key}.", where)
    for key in _HISTOGRAMS:
        if not any(row[key]):
            raise CorpusError(f"{where}: {key} counts nothing: all its entries are 0")
    if 0 < (printables := row["strings"]["printables"]) < 1:
        raise CorpusError(f"{where}: strings.printables is {printables}; it is a number of bytes")
    if (fault := _directory_fault(row["datadirectories"])) is not None:
        raise CorpusError(f"{where}: {fault}")


def identity(row: dict[str, Any]) -> _Identity:
    """What the index asks of a sound row: sha256 in 32 bytes, label, date, family, type, week.

    The date is that of the first submission, as 2024-02-29, the week is told by its first day.
    Label -1 and an empty text stand for what is not told.
    """
    seconds = row.get("first_submission_date")
    label = row.get("label")
    return (
        bytes.fromhex(row["sha256"]),
        -1 if label is None else label,
        "" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}",
        storable(row.get("family") or ""),
        storable(row.get("file_type") or ""),
        week_start(row.get("week_id")),
    )


def quick_identity(line: bytes) -> tuple[_Identity, int, Sequence[bytes]] | None:
    """The identity of a sound row of a program, and its keys; None says nothing about the row.

    The number of keys is without those of the parts of the line that come last and are not read.
    """
    try:
        row = _types().program.decode(line)
        if not line.isascii():
            line.decode()  # which msgspec leaves unchecked in what is not read
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if (
        not (any(row.histogram) and any(row.byteentropy))
        or 0 < row.strings.printables < 1
        or _directory_fault(row.datadirectories)
    ):
        return None
    told = {
        key: None if value is msgspec.UNSET else value
        for key, value in zip(_IDENTITY, _of_identity(row), strict=True)
    }
    unread = [value for value in _capabilities(row) if value is not msgspec.UNSET]
    return identity(told), _count_keys(row), unread


def _count_keys(row: Any) -> int:  # noqa: ANN401 - a struct made below
    directories = row.datadirectories
    missing = (*_of_row(row), *_of_header(row.header.optional)).count(msgspec.UNSET)
    return (
        _types().fixed_keys
        - missing
        + len(row.strings.string_counts)
        + 7 * len(row.section.sections)
        + len(row.imports)
        + (3 * len(directories) - 1 if directories else 0)
    )


def _directory_fault(listed: list[Any]) -> str | None:
    """What is wrong with the list, whose first entry is of another kind than the others."""
    for place, entry in enumerate(listed):
        expected = _DIRECTORY if place else _RELOCATIONS
        given: tuple[Any, ...]
        if isinstance(entry, dict):
            given = tuple(entry.get(key, msgspec.UNSET) for key in expected)
        else:
            given = (_of_directory if place else _of_relocations)(entry)
        if msgspec.UNSET in given:
            return f"datadirectories[{place}] has no {expected[given.index(msgspec.UNSET)]!r}"
    return None


def _convert(value: Any, kind: Any, prefix: str, where: str) -> None:  # noqa: ANN401
    if (error := _fault(value, kind)) is None:
        return
    found = _PATH.match(str(error))
    what, path = found.groups() if found else (str(error), None)
    key = f"{prefix}{_place(value, kind, path or '')}".rstrip(".") or "the row"
    raise CorpusError(f"{where}: {key}: {what[:1].lower()}{what[1:]}") from None


def _fault(value: Any, kind: Any) -> msgspec.ValidationError | None:  # noqa: ANN401
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        return error
    except UnicodeEncodeError:  # a lone surrogate, in a key or in a text of a few known ones
        return _fault(_storable(value), kind)
    return None


def _storable(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list):
        return [_storable(part) for part in value]
    if isinstance(value, dict):
        return {storable(key): _storable(part) for key, part in value.items()}
    return value


def _place(value: Any, kind: Any, path: str) -> str:  # noqa: ANN401
    """The path of a fault, with the key or number of each place where msgspec writes `[...]`.

    Halves of such a list or object are tried until one entry is left.
    """
    shown = ""
    reached: list[str | int] = []
    for place, name in _STEP.findall(path):
        if name:
            reached.append(name)
            shown += f".{name}" if shown else name
        elif place != "...":
            reached.append(int(place))
            shown += f"[{place}]"
        else:
            entries = reduce(getitem, reached, value)
            keys = list(entries) if isinstance(entries, dict) else list(range(len(entries)))
            while len(keys) > 1:
                half = keys[: len(keys) // 2]
                at_fault = _fault(_narrowed(value, reached, half), kind) is not None
                keys = half if at_fault else keys[len(keys) // 2 :]
            value = _narrowed(value, reached, keys)
            shown += f"[{keys[0]!r}]"
            reached.append(keys[0] if isinstance(entries, dict) else 0)
    return shown


def _narrowed(value: Any, path: Sequence[str | int], keys: Sequence[Any]) -> Any:  # noqa: ANN401
    """A copy of a value whose list or object at `path` has only the entries at `keys`."""
    if not path:
        entries = [value[key] for key in keys]
        return dict(zip(keys, entries, strict=True)) if isinstance(value, dict) else entries
    copy = value.copy()
    copy[path[0]] = _narrowed(value[path[0]], path[1:], keys)
    return copy


class _Types(msgspec.Struct, frozen=True):
    """The types of a row whose program's blocks may be empty, of these, and of a whole row.

    `fixed_keys` are those of a whole row with all that it may have, beside those in lists.
    """

    common: Any
    blocks: dict[str, Any]
    program: Any
    fixed_keys: int


@cache
def _types() -> _Types:
    known = names()
    part = _block(
        "Part",
        [
            ("name", str),
            ("size", _Count),
            ("vsize", _Count),
            *_numbers(("entropy", "size_ratio", "vsize_ratio")),
            ("props", list[str]),
        ],
    )
    coff = [*_numbers(COFF_NUMBERS), ("machine", str), ("characteristics", list[str])]
    optional = [
        *_numbers(OPTIONAL_NUMBERS),
        ("subsystem", str),
        ("dll_characteristics", list[str]),
    ]
    overlay = _block("Overlay", _numbers(_OVERLAY))
    header = [
        ("coff", _block("Coff", coff)),
        ("dos", _block("Dos", _numbers(known.dos_members))),
        ("optional", _block("Optional", optional)),
    ]
    section = [("entry", str), ("sections", list[part]), ("overlay", overlay)]  # type: ignore[valid-type]
    blocks = {
        "header": _block("Header", header),
        "section": _block("Section", section),
        "authenticode": _block(
            "Authenticode",
            [(key, _Signed if key == "signing_time_diff" else _Number) for key, _ in AUTHENTICODE],
        ),
    }
    directory = _block(
        "Directory",
        [
            (key, kind | msgspec.UnsetType, msgspec.UNSET)
            for key, kind in (
                ("name", _one_of(known.directories)),
                ("size", _Number),
                ("virtual_address", _Number),
                *((key, _Flag) for key in _RELOCATIONS),
            )
        ],
    )
    strings: list[tuple[Any, ...]] = [
        *_numbers(("numstrings", "avlength", "printables", "entropy")),
        ("printabledist", _counts(_PRINTABLE_BYTES)),
        ("string_counts", dict[_one_of(known.string_counts), _Count]),  # type: ignore[misc]
    ]
    general: list[tuple[Any, ...]] = [
        *_numbers(("size", "entropy")),
        ("is_pe", _Flag),
        ("start_bytes", tuple[(_Byte,) * 4]),  # type: ignore[misc]
    ]
    fields: list[tuple[Any, ...]] = [
        ("sha256", Annotated[str, msgspec.Meta(pattern=_HEXADECIMAL)]),
        *((key, _counts(_HISTOGRAM_BINS)) for key in _HISTOGRAMS),
        ("strings", _block("Strings", strings)),
        ("general", _block("General", general)),
        ("imports", dict[str, list[str]]),
        ("exports", list[str]),
        ("datadirectories", list[directory]),  # type: ignore[valid-type]
        ("richheader", list[_Count]),
        ("pefilewarnings", list[_one_of(known.warnings)]),  # type: ignore[misc]
    ]
    told = [
        ("label", Annotated[int, msgspec.Meta(ge=-1, le=1)] | None),
        ("first_submission_date", _Seconds | None),
        ("family", str | None),
        ("file_type", str | None),
        ("week_id", _Week | None),
    ]
    of_file = [
        *fields,
        *((key, dict[str, Any]) for key in _PROGRAM_BLOCKS),
        *((key, kind, None) for key, kind in told),
    ]
    # What is not read is left as it stands, to count the keys of a line by.
    whole_header = [
        *header[:-1],
        ("optional", _block("Optional", [*optional, *_unread(_UNREAD_OF_HEADER)])),
    ]
    of_program = [
        *fields,
        ("header", _block("Header", whole_header)),
        ("section", blocks["section"]),
        ("authenticode", blocks["authenticode"]),
        *((key, kind | msgspec.UnsetType, msgspec.UNSET) for key, kind in told),
        *_unread(_UNREAD),
    ]
    parts = (
        *(fields, _PROGRAM_BLOCKS, told, _UNREAD, strings, general, coff, optional),
        *(_UNREAD_OF_HEADER, known.dos_members, header, section, _OVERLAY, AUTHENTICODE),
    )
    return _Types(
        common=_block("Row", of_file),
        blocks=blocks,
        program=msgspec.json.Decoder(_block("Row", of_program)),
        fixed_keys=sum(map(len, parts)),
    )


def _unread(keys: tuple[str, ...]) -> list[tuple[Any, ...]]:
    return [(key, msgspec.Raw | msgspec.UnsetType, msgspec.UNSET) for key in keys]


def _block(name: str, fields: list[tuple[Any, ...]]) -> Any:  # noqa: ANN401 - a type
    # Rows hold no cycles, so the garbage collector need not follow them.
    return msgspec.defstruct(name, fields, gc=False)


def _numbers(keys: tuple[str, ...]) -> list[tuple[str, Any]]:
    return [(key, _Number) for key in keys]


def _counts(length: int) -> Any:  # noqa: ANN401 - a type
    return tuple[(_Count,) * length]  # type: ignore[misc]


def _one_of(known: tuple[str, ...]) -> Any:  # noqa: ANN401 - a type
    return Literal[known]
