"""The metadata that `ember` writes beside its memory maps: who each row is, as CSV."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, NamedTuple

from dokunuki.corpus.streams import readable
from dokunuki.corpus.validation import LABELS, digest_of
from dokunuki.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

# What spreadsheets write between fields, by country.
_SEPARATORS = ",;\t"
_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")
_MEND = "make it again with ember's create_metadata, or remove it"


class Metadata(NamedTuple):
    """What is known of a row; `digest` is the sha256 in 32 bytes."""

    digest: bytes
    appeared: str
    avclass: str


def read_metadata(path: Path, labels: Sequence[float], map_name: str) -> list[Metadata]:
    """The metadata of a map's rows, whose labels are `labels`; `map_name` is for messages.

    A byte order mark, semicolons or tabs for commas, and blank lines are passed over. Raises
    CorpusError, with the line where there is one, for a file that cannot be read or is not UTF-8,
    for a field that is wrong, and for metadata of more or fewer rows or with other labels than the
    map has.
    """
    rows = _rows(path)
    head, names = next(rows, (1, []))
    columns = [name.strip().lower() for name in names]
    if "sha256" not in columns:
        raise CorpusError(f"{path}:{head}: has no column sha256; {_MEND}")
    for name in ("sha256", "label", "appeared", "avclass"):
        if columns.count(name) > 1:
            raise CorpusError(f"{path}:{head}: the column {name} appears twice; {_MEND}")
    metadata: list[Metadata] = []
    contrary: list[str] = []
    for number, (line, fields) in enumerate(rows):
        if len(fields) != len(columns):
            raise CorpusError(
                f"{path}:{line}: has {len(fields)} fields where line {head} names {len(columns)} "
                f"columns; {_MEND}"
            )
        row = dict(zip(columns, fields, strict=True))
        metadata.append(
            Metadata(
                _digest(row["sha256"], f"{path}:{line}"),
                row.get("appeared", ""),
                row.get("avclass", ""),
            )
        )
        said = _label(row.get("label", ""), f"{path}:{line}")
        label = labels[number] if number < len(labels) else None
        if said is not None and label in LABELS and said != label:
            contrary.append(
                f"{path}:{line}: the label is {said} here and {label:.0f} in {map_name}"
            )
    if len(metadata) != len(labels):
        raise CorpusError(
            f"{path}: describes {len(metadata)} rows, {map_name} has {len(labels)}; {_MEND}"
        )
    if contrary:
        raise CorpusError(
            f"{contrary[0]}; they contradict each other in {len(contrary)} of {len(labels)} rows, "
            f"so they belong to different releases or are in different orders: {_MEND}"
        )
    return metadata


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The lines that are not empty, each with its number."""
    with readable(path):
        content = path.read_bytes()
    if content.startswith(_WIDE_MARKS) or b"\0" in content[:64]:
        raise CorpusError(f"{path}: seems to be UTF-16; save it as CSV in UTF-8, or remove it")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise CorpusError(
            f"{path}:{line}: is not UTF-8 (byte 0x{content[error.start]:02x}); save it as CSV in "
            "UTF-8, or remove it"
        ) from None
    first = text.lstrip().partition("\n")[0]
    separator = max(_SEPARATORS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        for fields in reader:
            if any(field.strip() for field in fields):
                yield reader.line_num, fields
    except csv.Error as error:
        raise CorpusError(f"{path}:{reader.line_num}: malformed CSV: {error}; {_MEND}") from None


def _digest(text: str, where: str) -> bytes:
    digest = digest_of(text.strip())
    if digest is None:
        raise CorpusError(f"{where}: sha256 is {text!r}, not 64 hexadecimal digits; {_MEND}")
    return digest


def _label(text: str, where: str) -> int | None:
    """The label that a field tells, as 1 or 1.0; None for an empty one."""
    if not text.strip():
        return None
    try:
        label = float(text)
    except ValueError:
        label = float("nan")
    if label not in LABELS:
        raise CorpusError(
            f"{where}: label is {text!r}; a label is 0 (goodware), 1 (malware) or -1 (unlabelled); "
            f"{_MEND}"
        )
    return int(label)
