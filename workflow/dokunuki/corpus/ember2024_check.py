"""Checks of raw rows of feature version 3 (EMBER2024), and what identifies them.

The types below are the format. Rows are checked against them as they are parsed, which is fast,
and a row that fails is looked at again to name its key.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, Literal

import msgspec

from dokunuki.corpus.ember2024_layout import AUTHENTICODE, COFF_NUMBERS, OPTIONAL_NUMBERS, names
from dokunuki.corpus.weekly import week_start
from dokunuki.errors import CorpusError

_HISTOGRAMS = ("histogram", "byteentropy")
_HISTOGRAM_BINS = 256
_PRINTABLE_BYTES = 96
_HEXADECIMAL = "^[0-9a-fA-F]{64}$"
# Blocks that are empty in the rows of files that are no programs for Windows.
_PROGRAM_BLOCKS = ("header", "section", "authenticode")
_RELOCATIONS = ("has_relocs", "has_dynamic_relocs")

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

_IDENTIFYING = ("sha256", "label", "first_submission_date", "family", "file_type", "week_id")

# How msgspec says what is wrong, and where.
_PATH = re.compile(r"^(?P<what>.*?)(?: - at (?:`key` in )?`\$\.?(?P<path>.*)`)?$", re.DOTALL)

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
        row.get("family") or "",
        row.get("file_type") or "",
        week_start(row.get("week_id")),
    )


def quick_identity(line: bytes) -> _Identity | None:
    """The identity of a sound row of a program; None says nothing about the row."""
    try:
        row = _types().program.decode(line)
    except (msgspec.MsgspecError, ValueError):
        return None
    if not (any(row.histogram) and any(row.byteentropy)) or _directory_fault(row.datadirectories):
        return None
    return identity({key: getattr(row, key) for key in _IDENTIFYING})


def _directory_fault(listed: list[Any]) -> str | None:
    """What is wrong with the list, whose first entry is of another kind than the others."""
    for place, entry in enumerate(listed):
        expected = ("name", "size", "virtual_address") if place else _RELOCATIONS
        given = entry if isinstance(entry, dict) else msgspec.structs.asdict(entry)
        missing = [key for key in expected if given.get(key, msgspec.UNSET) is msgspec.UNSET]
        if missing:
            return f"datadirectories[{place}] has no {missing[0]!r}"
    return None


def _convert(value: Any, kind: Any, prefix: str, where: str) -> None:  # noqa: ANN401
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        found = _PATH.match(str(error))
        what, path = found.groups() if found else (str(error), None)
        key = f"{prefix}{path or ''}".rstrip(".") or "the row"
        raise CorpusError(f"{where}: {key}: {what[:1].lower()}{what[1:]}") from None


class _Types(msgspec.Struct, frozen=True):
    """The types of a row whose program's blocks may be empty, of these, and of a whole row."""

    common: Any
    blocks: dict[str, Any]
    program: Any


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
    overlay = _block("Overlay", _numbers(("size", "size_ratio", "entropy")))
    blocks = {
        "header": _block(
            "Header",
            [
                ("coff", _block("Coff", coff)),
                ("optional", _block("Optional", optional)),
                ("dos", _block("Dos", _numbers(known.dos_members))),
            ],
        ),
        "section": _block(
            "Section",
            [("entry", str), ("sections", list[part]), ("overlay", overlay)],  # type: ignore[valid-type]
        ),
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
    strings = [
        *_numbers(("numstrings", "avlength", "printables", "entropy")),
        ("printabledist", _counts(_PRINTABLE_BYTES)),
        ("string_counts", dict[_one_of(known.string_counts), _Count]),  # type: ignore[misc]
    ]
    general = [
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
        ("label", Annotated[int, msgspec.Meta(ge=-1, le=1)] | None, None),
        ("first_submission_date", _Seconds | None, None),
        ("family", str | None, None),
        ("file_type", str | None, None),
        ("week_id", _Week | None, None),
    ]
    of_file = [*fields, *((key, dict[str, Any]) for key in _PROGRAM_BLOCKS), *told]
    of_program = [*fields, *blocks.items(), *told]
    return _Types(
        common=_block("Row", of_file),
        blocks=blocks,
        program=msgspec.json.Decoder(_block("Row", of_program)),
    )


def _block(name: str, fields: list[tuple[Any, ...]]) -> Any:  # noqa: ANN401 - a type
    # Rows hold no cycles, so the garbage collector need not follow them.
    return msgspec.defstruct(name, fields, gc=False)


def _numbers(keys: tuple[str, ...]) -> list[tuple[str, Any]]:
    return [(key, _Number) for key in keys]


def _counts(length: int) -> Any:  # noqa: ANN401 - a type
    return tuple[(_Count,) * length]  # type: ignore[misc]


def _one_of(known: tuple[str, ...]) -> Any:  # noqa: ANN401 - a type
    return Literal[known]
