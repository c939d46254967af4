"""Checks of one raw EMBER row: the first fault is named by file, line and key.

The checks run over every row of a release (1.1 million), so the sound row's way consists of
builtins that loop in C; only when one of them balks is the culprit looked for.
"""

from __future__ import annotations

from itertools import chain
from math import isfinite
from operator import itemgetter
from typing import Any, NoReturn

from dokunuki.corpus.layout import HEADER_NUMBERS, feature_layout
from dokunuki.errors import CorpusError

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

_BLOCKS = (
    "sha256",
    "appeared",
    "label",
    "histogram",
    "byteentropy",
    "strings",
    "general",
    "header",
    "section",
    "imports",
    "exports",
)
_SECTION_KEYS = ("name", "size", "entropy", "vsize", "props")
_OPTIONAL_WORDS = ("subsystem", "magic")
_DIRECTORY_NUMBERS = ("size", "virtual_address")

_NUMERIC = frozenset({int, float})
_LIST = frozenset({list})

_get_blocks = itemgetter(*_BLOCKS)
_get_strings = itemgetter(*STRING_NUMBERS)
_get_general = itemgetter(*GENERAL_NUMBERS)
_get_header = itemgetter(*HEADER_NUMBERS)
_get_section = itemgetter(*_SECTION_KEYS)
_get_directory = itemgetter(*_DIRECTORY_NUMBERS)


class FeatureVersionError(CorpusError):
    """The rows are of another feature version than the one declared."""


def check_row(row: Row, version: int, where: str) -> None:
    """Raise CorpusError when a raw row cannot be vectorised; the message starts with `where`.

    `version` is the declared feature version (1 or 2), `where` names file and line. Checked:
    every block and key that a column comes from, its type, the lengths of the histograms, that
    numbers are finite and not negative, the sha256 and the label (-1, 0 or 1). Raises
    FeatureVersionError when the row's data directories contradict the declared version.
    """
    if type(row) is not dict:
        raise CorpusError(f"{where}: the line holds {_shown(row)}, a row is a JSON object")
    _check_version(row, version, where)
    try:
        (sha256, appeared, label, histogram, byteentropy, *blocks) = _get_blocks(row)
    except KeyError as error:
        raise CorpusError(f"{where}: has no {error.args[0]!r}") from None
    strings, general, header, section, imports, exports = blocks

    _check_identity(sha256, appeared, label, where)
    _check_counts(histogram, HISTOGRAM_BINS, "histogram", where, empty=False)
    _check_counts(byteentropy, HISTOGRAM_BINS, "byteentropy", where, empty=False)
    _check_numbers(strings, _get_strings, STRING_NUMBERS, "strings", where)
    _check_counts(
        strings.get("printabledist"), PRINTABLE_BYTES, "strings.printabledist", where, empty=True
    )
    _check_numbers(general, _get_general, GENERAL_NUMBERS, "general", where)
    _check_header(header, where)
    _check_sections(section, where)
    _check_imports(imports, where)
    _check_words(exports, "exports", where)
    if version == 2:
        _check_directories(row["datadirectories"], where)


def _check_version(row: Row, version: int, where: str) -> None:
    carried = 2 if "datadirectories" in row else 1
    if carried != version:
        fact = "carries" if carried == 2 else "does not carry"
        raise FeatureVersionError(
            f"{where}: feature version {version} is declared, but the row {fact} "
            f"'datadirectories' and so is of version {carried}; set version: {carried} for this "
            "dataset"
        )


def _check_identity(sha256: object, appeared: object, label: object, where: str) -> None:
    try:
        # The length of the text is checked as well, since fromhex passes over blanks.
        sound = len(sha256) == 64 and len(bytes.fromhex(sha256)) == DIGEST_BYTES  # type: ignore[arg-type]
    except (TypeError, ValueError):
        sound = False
    if not sound:
        raise CorpusError(f"{where}: sha256 is {_shown(sha256)}, not 64 hexadecimal digits")
    if type(appeared) is not str:
        raise CorpusError(f"{where}: appeared is {_shown(appeared)}, not a text such as '2017-11'")
    if type(label) is not int or label not in LABELS:
        raise CorpusError(
            f"{where}: label is {_shown(label)}; a label is 0 (goodware), 1 (malware) or -1 "
            "(unlabelled)"
        )


def _check_counts(values: Any, length: int, key: str, where: str, *, empty: bool) -> None:  # noqa: ANN401
    """A list of `length` numbers; unless `empty`, not all zero, for vectors divide by the sum.

    A JSON `true` passes as the count 1: telling it apart would double the cost of the scan.
    """
    try:
        if type(values) is list and len(values) == length and min(values) >= 0:
            total = sum(values)
            if isfinite(total) and (total > 0 or empty):
                return
    except (TypeError, ValueError, OverflowError):
        pass
    _require_list(values, key, where)
    if len(values) != length:
        raise CorpusError(f"{where}: {key} has {len(values)} entries, not {length}")
    for position, value in enumerate(values):
        _require_number(value, f"{key}[{position}]", where)
    raise CorpusError(f"{where}: {key} counts nothing: all its entries are 0")


def _check_numbers(
    block: Any,  # noqa: ANN401
    getter: itemgetter[Any],
    keys: tuple[str, ...],
    name: str,
    where: str,
) -> None:
    try:
        values = getter(block)
        if _NUMERIC.issuperset(map(type, values)) and min(values) >= 0 and isfinite(sum(values)):
            return
    except (KeyError, TypeError, OverflowError):
        pass
    if type(block) is not dict:
        raise CorpusError(f"{where}: {name} is {_shown(block)}, not a JSON object")
    for key in keys:
        _require_number(_value(block, key, name, where), f"{name}.{key}", where)
    _overflow(name, where)


def _check_words(words: Any, key: str, where: str) -> None:  # noqa: ANN401
    """A list of texts."""
    try:
        if type(words) is list:
            "".join(words)
            return
    except TypeError:
        pass
    _require_list(words, key, where)
    for position, word in enumerate(words):
        _require_text(word, f"{key}[{position}]", where)


def _check_header(header: Any, where: str) -> None:  # noqa: ANN401
    if type(header) is not dict:
        raise CorpusError(f"{where}: header is {_shown(header)}, not a JSON object")
    coff = _value(header, "coff", "header", where)
    optional = _value(header, "optional", "header", where)
    for name, block in (("header.coff", coff), ("header.optional", optional)):
        if type(block) is not dict:
            raise CorpusError(f"{where}: {name} is {_shown(block)}, not a JSON object")
    _require_number(_value(coff, "timestamp", "header.coff", where), "header.coff.timestamp", where)
    _require_text(_value(coff, "machine", "header.coff", where), "header.coff.machine", where)
    key = "characteristics"
    _check_words(_value(coff, key, "header.coff", where), f"header.coff.{key}", where)
    for key in _OPTIONAL_WORDS:
        _require_text(
            _value(optional, key, "header.optional", where), f"header.optional.{key}", where
        )
    key = "dll_characteristics"
    _check_words(_value(optional, key, "header.optional", where), f"header.optional.{key}", where)
    _check_numbers(optional, _get_header, HEADER_NUMBERS, "header.optional", where)


def _check_sections(section: Any, where: str) -> None:  # noqa: ANN401
    if type(section) is not dict:
        raise CorpusError(f"{where}: section is {_shown(section)}, not a JSON object")
    _require_text(_value(section, "entry", "section", where), "section.entry", where)
    sections = _value(section, "sections", "section", where)
    if type(sections) is not list:
        _require_list(sections, "section.sections", where)
    if not sections:
        return
    try:
        names, sizes, entropies, vsizes, props = zip(*map(_get_section, sections), strict=True)
        numbers = sizes + entropies + vsizes
        if (
            _NUMERIC.issuperset(map(type, numbers))
            and min(numbers) >= 0
            and isfinite(sum(numbers))
            and _LIST.issuperset(map(type, props))
        ):
            "".join(names)
            "".join(chain.from_iterable(props))
            return
    except (KeyError, TypeError, OverflowError):
        pass
    for position, part in enumerate(sections):
        name = f"section.sections[{position}]"
        if type(part) is not dict:
            raise CorpusError(f"{where}: {name} is {_shown(part)}, not a JSON object")
        _require_text(_value(part, "name", name, where), f"{name}.name", where)
        for key in ("size", "entropy", "vsize"):
            _require_number(_value(part, key, name, where), f"{name}.{key}", where)
        _check_words(_value(part, "props", name, where), f"{name}.props", where)
    _overflow("section.sections", where)


def _check_imports(imports: Any, where: str) -> None:  # noqa: ANN401
    try:
        if type(imports) is dict and _LIST.issuperset(map(type, imports.values())):
            "".join(imports)
            "".join(chain.from_iterable(imports.values()))
            return
    except TypeError:
        pass
    if type(imports) is not dict:
        raise CorpusError(
            f"{where}: imports is {_shown(imports)}, not a JSON object of libraries and functions"
        )
    for library, functions in imports.items():
        _require_text(library, "a library of imports", where)
        _check_words(functions, f"imports[{library!r}]", where)


def _check_directories(directories: Any, where: str) -> None:  # noqa: ANN401
    if type(directories) is not list:
        _require_list(directories, "datadirectories", where)
    if not directories:
        return
    try:
        numbers = tuple(chain.from_iterable(map(_get_directory, directories)))
        if _NUMERIC.issuperset(map(type, numbers)) and min(numbers) >= 0 and isfinite(sum(numbers)):
            return
    except (KeyError, TypeError, OverflowError):
        pass
    for position, directory in enumerate(directories):
        _check_numbers(
            directory, _get_directory, _DIRECTORY_NUMBERS, f"datadirectories[{position}]", where
        )
    _overflow("datadirectories", where)


def _value(block: Row, key: str, name: str, where: str) -> Any:  # noqa: ANN401
    try:
        return block[key]
    except KeyError:
        raise CorpusError(f"{where}: {name} has no {key!r}") from None


def _require_number(value: object, key: str, where: str) -> None:
    if type(value) not in _NUMERIC:
        raise CorpusError(f"{where}: {key} is {_shown(value)}, not a number")
    try:
        sound = isfinite(value) and value >= 0  # type: ignore[arg-type, operator]
    except OverflowError:
        sound = False
    if not sound:
        raise CorpusError(
            f"{where}: {key} is {_shown(value)}; it must be a finite number of at least 0"
        )


def _require_text(value: object, key: str, where: str) -> None:
    if type(value) is not str:
        raise CorpusError(f"{where}: {key} is {_shown(value)}, not a text")


def _require_list(value: object, key: str, where: str) -> None:
    if type(value) is not list:
        raise CorpusError(f"{where}: {key} is {_shown(value)}, not a list")


def _overflow(key: str, where: str) -> NoReturn:
    """Each number alone is finite; their sum is not."""
    raise CorpusError(f"{where}: the numbers of {key} are too large")


def _shown(value: object) -> str:
    """A value, short enough for a message."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:36]}... ({type(value).__name__})"
