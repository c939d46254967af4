"""Checks of one raw EMBER row: the first fault is named by file, line and key.

Few rows come here, since `quick_check` passes nearly all that are sound.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from dokunuki.corpus import ember2024_check
from dokunuki.corpus.layout import HEADER_NUMBERS, feature_layout
from dokunuki.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    # Checks a value, named by its key, and gives the sum of the numbers in it.
    _Check = Callable[[Any, str, str], float]

Row = dict[str, Any]

LABELS = (-1, 0, 1)
DIGEST_BYTES = 32

# The raw keys of the strings block, in the order of their columns, without printabledist.
STRING_NUMBERS = (
    "numstrings",
    "avlength",
    "printables",
    "entropy",
    "paths",
    "urls",
    "registry",
    "MZ",
)
_LAYOUT = feature_layout(1)
# The raw keys of the general block are the names of its columns.
GENERAL_NUMBERS = _LAYOUT.names[_LAYOUT.groups["general"]]
PRINTABLE_BYTES = 96
HISTOGRAM_BINS = 256
# The largest float32, of which vectors are made, and what their sums may be, which are rounded too.
LARGEST_NUMBER = 2.0**128 - 2.0**104
_LARGEST_SUM = LARGEST_NUMBER * (1 - 2**-16)


class FeatureVersionError(CorpusError):
    """The rows are of another feature version than the one declared."""


def check_row(row: Row, version: int, where: str) -> None:
    """Raise CorpusError when a raw row cannot be vectorised; the message starts with `where`.

    `version` is the declared feature version, `where` names file and line. Checked are
    every block and key that a column comes from, its type, the lengths of the histograms, the
    sha256 and the label (-1, 0 or 1). Numbers must not be negative, and neither they nor their sum
    in a block may leave float32. Raises FeatureVersionError when the row's blocks contradict the
    declared version. Rows of version 3 are checked by `ember2024_check`.
    """
    if type(row) is not dict:
        raise CorpusError(f"{where}: the line holds {_shown(row)}, a row is a JSON object")
    _check_version(row, version, where)
    if version == 3:
        ember2024_check.check_row(row, where)
        return
    for key in ("sha256", "appeared", "label", *_BLOCKS):
        if key not in row:
            raise CorpusError(f"{where}: has no {key!r}")
    _check_identity(row["sha256"], row["appeared"], row["label"], where)
    for key, check in _BLOCKS.items():
        check(row[key], key, where)
    if version == 2:
        _DIRECTORIES(row["datadirectories"], "datadirectories", where)


def _check_version(row: Row, version: int, where: str) -> None:
    # Version 3 has the data directories too, in another form.
    carried = 3 if "pefilewarnings" in row else 2 if "datadirectories" in row else 1
    if carried != version:
        sign = "pefilewarnings" if 3 in (carried, version) else "datadirectories"
        fact = "carries" if sign in row else "does not carry"
        raise FeatureVersionError(
            f"{where}: feature version {version} is declared, but the row {fact} {sign!r} and so "
            f"is of version {carried}; set version: {carried} for this dataset"
        )


def digest_of(sha256: str) -> bytes | None:
    """The 32 bytes of a sha256 in hexadecimal digits; None for any other text."""
    # `fromhex` alone passes over blanks between the digits.
    if len(sha256) != 2 * DIGEST_BYTES:
        return None
    try:
        digest = bytes.fromhex(sha256)
    except ValueError:
        return None
    return digest if len(digest) == DIGEST_BYTES else None


def _check_identity(sha256: object, appeared: object, label: object, where: str) -> None:
    if not isinstance(sha256, str) or digest_of(sha256) is None:
        raise CorpusError(f"{where}: sha256 is {_shown(sha256)}, not 64 hexadecimal digits")
    if type(appeared) is not str:
        raise CorpusError(f"{where}: appeared is {_shown(appeared)}, not a text such as '2017-11'")
    if type(label) is not int or label not in LABELS:
        raise CorpusError(
            f"{where}: label is {_shown(label)}; a label is 0 (goodware), 1 (malware) or -1 "
            "(unlabelled)"
        )


def _number(value: Any, key: str, where: str) -> float:  # noqa: ANN401
    if type(value) not in (int, float):
        raise CorpusError(f"{where}: {key} is {_shown(value)}, not a number")
    if not 0 <= value < inf:
        raise CorpusError(
            f"{where}: {key} is {_shown(value)}; it must be a finite number of at least 0"
        )
    if value > LARGEST_NUMBER:
        raise CorpusError(
            f"{where}: {key} is {_shown(value)}; vectors are float32, whose largest number is "
            f"{LARGEST_NUMBER:.4g}"
        )
    return float(value)


def _text(value: Any, key: str, where: str) -> float:  # noqa: ANN401
    if type(value) is not str:
        raise CorpusError(f"{where}: {key} is {_shown(value)}, not a text")
    return 0


def _list(check: _Check, length: int | None = None, *, empty: bool = True) -> _Check:
    """A list of `length` values; unless `empty`, not all zero, for vectors divide by the sum."""

    def checked(value: Any, key: str, where: str) -> float:  # noqa: ANN401
        if type(value) is not list:
            raise CorpusError(f"{where}: {key} is {_shown(value)}, not a list")
        if length is not None and len(value) != length:
            raise CorpusError(f"{where}: {key} has {len(value)} entries, not {length}")
        total = _sum(
            (check(part, f"{key}[{k}]", where) for k, part in enumerate(value)), key, where
        )
        if not (total or empty):
            raise CorpusError(f"{where}: {key} counts nothing: all its entries are 0")
        return total

    return checked


def _object(**checks: _Check) -> _Check:
    """A JSON object with these keys, and perhaps others."""

    def checked(value: Any, key: str, where: str) -> float:  # noqa: ANN401
        if type(value) is not dict:
            raise CorpusError(f"{where}: {key} is {_shown(value)}, not a JSON object")
        for name in checks:
            if name not in value:
                raise CorpusError(f"{where}: {key} has no {name!r}")
        parts = (check(value[name], f"{key}.{name}", where) for name, check in checks.items())
        return _sum(parts, key, where)

    return checked


def _imports(value: Any, key: str, where: str) -> float:  # noqa: ANN401
    if type(value) is not dict:
        raise CorpusError(
            f"{where}: {key} is {_shown(value)}, not a JSON object of libraries and functions"
        )
    for library, functions in value.items():
        _WORDS(functions, f"{key}[{library!r}]", where)
    return 0


def _sum(numbers: Iterable[float], key: str, where: str) -> float:
    total = sum(numbers)
    if total > _LARGEST_SUM:
        raise CorpusError(
            f"{where}: the numbers of {key} are too large: their sum is {total:.4g}, beyond float32"
        )
    return total


def _printables(value: Any, key: str, where: str) -> float:  # noqa: ANN401
    """The printable bytes of the strings: shares are divided by their number."""
    number = _number(value, key, where)
    if 0 < number < 1:
        raise CorpusError(f"{where}: {key} is {_shown(value)}; it is a number of bytes")
    return number


def _numbers(names: Iterable[str]) -> dict[str, _Check]:
    return dict.fromkeys(names, _number)


_WORDS = _list(_text)
_DIRECTORIES = _list(_object(**_numbers(("size", "virtual_address"))))
_PART = _object(name=_text, **_numbers(("size", "entropy", "vsize")), props=_WORDS)
_BLOCKS = {
    "histogram": _list(_number, HISTOGRAM_BINS, empty=False),
    "byteentropy": _list(_number, HISTOGRAM_BINS, empty=False),
    "strings": _object(
        **(_numbers(STRING_NUMBERS) | {"printables": _printables}),
        printabledist=_list(_number, PRINTABLE_BYTES),
    ),
    "general": _object(**_numbers(GENERAL_NUMBERS)),
    "header": _object(
        coff=_object(timestamp=_number, machine=_text, characteristics=_WORDS),
        optional=_object(
            subsystem=_text,
            magic=_text,
            dll_characteristics=_WORDS,
            **_numbers(HEADER_NUMBERS),
        ),
    ),
    "section": _object(entry=_text, sections=_list(_PART)),
    "imports": _imports,
    "exports": _WORDS,
}


def _shown(value: object) -> str:
    """A value, short enough for a message."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:36]}... ({type(value).__name__})"
