"""One line of JSON to one checked raw row: what is taken as it is, and what is refused.

Nearly all lines pass `quick_check` and never come here, so that this may take its time.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

from dokunuki.corpus.validation import Row, check_row
from dokunuki.errors import CorpusError

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# The last is what DOS ended its texts with.
_BLANKS = b" \t\r\n\v\f\x1a"
# UTF-16 and UTF-32, as they begin where a mark says so; the NULs are what tells without one.
_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")
_TRUNCATED = "the file is damaged or was copied in part, fetch or copy it again"


class UnfinishedError(CorpusError):
    """A line is no whole JSON object: it may have been cut off."""


def is_blank(line: bytes) -> bool:
    """Whether nothing stands on a line, perhaps behind a byte order mark: such a line is no row."""
    return not _bare(line)


def parse_row(line: bytes, version: int, where: str) -> Row:
    """One checked row from one line of JSON; raises CorpusError that starts with `where`.

    A byte order mark and blanks around the row are passed over, and a lone surrogate in a text is
    taken, as Python's own reader takes it. A key that stands twice in an object is refused.
    """
    text = _decoded(_bare(line), where)
    constants: list[str] = []

    def constant(name: str) -> float:
        constants.append(name)
        return float(name)

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for number, key in enumerate(keys) if key in keys[:number])
            raise CorpusError(f"{where}: the key {twice!r} appears twice in one JSON object")
        return found

    try:
        row: Any = json.loads(text, object_pairs_hook=once, parse_constant=constant)
    except json.JSONDecodeError as error:
        problem = f"{error.msg[:1].lower()}{error.msg[1:]} at character {error.pos + 1}"
        hint = _hint(text, error)
        kind = CorpusError if hint else UnfinishedError
        raise kind(f"{where}: malformed JSON: {problem}{hint}") from None
    except ValueError:  # Python reads no integer of more than 4,300 digits
        raise CorpusError(f"{where}: malformed JSON: a number of thousands of digits") from None
    except RecursionError:
        raise CorpusError(f"{where}: malformed JSON: nested too deeply") from None
    if isinstance(row, list) and row and isinstance(row[0], dict):
        raise CorpusError(
            f"{where}: the line holds a list of rows, a row is a JSON object; write each row on a "
            "line of its own"
        )
    # First, so that the message names the key that is NaN.
    check_row(row, version, where)
    if constants:
        raise CorpusError(f"{where}: malformed JSON: {constants[0]} is not a JSON number")
    checked: Row = row
    return checked


def read_row(line: bytes) -> Row:
    """The row of a line that `parse_row` or the quick check has passed before."""
    try:
        row: Row = orjson.loads(line)
    except orjson.JSONDecodeError:  # a byte order mark or a lone surrogate
        row = json.loads(_bare(line).decode("utf-8", "surrogatepass"))
    return row


def _bare(line: bytes) -> bytes:
    return line.removeprefix(_BYTE_ORDER_MARK).strip(_BLANKS)


def _decoded(line: bytes, where: str) -> str:
    if not line:
        raise CorpusError(f"{where}: the line is empty")
    if not line.strip(b"\0"):
        raise CorpusError(f"{where}: the line holds {len(line)} NUL bytes and no row; {_TRUNCATED}")
    if line.startswith(_WIDE_MARKS) or (b"\0" in line[:4] and any(line[:4])):
        raise CorpusError(
            f"{where}: malformed JSON: the file seems to be UTF-16 or UTF-32; write it again as "
            "UTF-8"
        )
    if b"\0" in line:
        place = line.index(b"\0") + 1
        raise UnfinishedError(f"{where}: malformed JSON: a NUL byte at byte {place}; {_TRUNCATED}")
    try:
        return line.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"{where}: malformed JSON: byte {error.start + 1} (0x{line[error.start]:02x}) is not "
            "UTF-8; write the file again as UTF-8"
        ) from None


def _hint(text: str, error: json.JSONDecodeError) -> str:
    """What is likely to be the matter with a line, from how it fails."""
    rest = text[error.pos :]
    if text.startswith("["):
        return "; the file seems to be one list of rows, write each row on a line of its own"
    if error.msg == "Extra data" and rest == ",":
        return "; a comma follows the row, remove such commas"
    if "\r" in text:
        return "; its lines seem to end in CR alone, write them with LF"
    if error.msg == "Extra data" and rest.startswith("{"):
        return "; two rows stand on one line, write each on a line of its own"
    if text == "{":
        return "; a row may not go over several lines, write each on a line of its own"
    return ""
