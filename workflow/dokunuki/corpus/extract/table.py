"""The table of labels: which programs of a folder are malware, by path or by sha256."""

from __future__ import annotations

import csv
import io
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from dokunuki.corpus.labels import LABEL_HELP, LABELS
from dokunuki.errors import CorpusError

UNLABELLED = -1

_COLUMNS = {
    "path": ("path", "file", "filename", "file_name", "filepath", "file_path", "name"),
    "sha256": ("sha256", "sha-256", "sha_256", "hash"),
    "label": ("label", "class", "malware", "y"),
    "appeared": ("appeared", "date", "first_seen"),
    "avclass": ("avclass", "family"),
}
_NAMES = {0: "goodware", 1: "malware", UNLABELLED: "unlabelled"}
_SEPARATORS = ",;\t|"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


class Told(NamedTuple):
    """What the table tells of a program: -1, 0 or 1, a date and a family; and in which line."""

    label: int
    appeared: str
    avclass: str
    sha256: str
    line: int


NOTHING = Told(UNLABELLED, "", "", "", 0)


@dataclass(frozen=True)
class LabelTable:
    """What a table tells, by path below the folder (as the file system has it) or by sha256."""

    path: Path
    by_path: dict[str, Told] = field(default_factory=dict)
    by_sha256: dict[str, Told] = field(default_factory=dict)


def read_labels(path: str | Path, folder: str | Path) -> LabelTable:
    """Read the CSV that labels the programs of a folder.

    Its columns are `path` (below the folder, or absolute) or `sha256`, or both, and `label`;
    `appeared` and `avclass` (or `family`) may stand beside them, further columns are passed over.
    Labels are 0, 1 or -1, true or false, goodware (benign) or malware (malicious); an empty one
    means unlabelled. Upper and lower case, a byte order mark, UTF-16 with one, and a semicolon, tab
    or bar as separator make no difference. Raises CorpusError with file and line for a table that
    is not there or lacks a column, for another label, for a file that is not in the folder, and for
    one program with two labels.
    """
    path, folder = Path(path), Path(folder)
    text = _text(path)
    separator = max(_SEPARATORS, key=text.lstrip().partition("\n")[0].count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    table = LabelTable(path)
    columns: dict[str, int] = {}
    try:
        for cells in rows:
            where = f"{path}:{rows.line_num}"
            if not any(cell.strip() for cell in cells):
                continue
            if not columns:
                columns = _columns(cells, where)
                continue
            values = {
                name: cells[place].strip() if place < len(cells) else ""
                for name, place in columns.items()
            }
            _add(table, values, folder, where, rows.line_num)
    except csv.Error as error:
        raise CorpusError(
            f"{path}:{rows.line_num}: malformed CSV ({error}); mend this line"
        ) from None
    if not (table.by_path or table.by_sha256):
        raise CorpusError(f"{path}: the table labels nothing; add a line for each program")
    return table


def parse_label(word: str, where: str) -> int:
    """-1, 0 or 1 for a label; raises CorpusError, beginning with `where`, for another word."""
    label = LABELS.get(word.strip().lower())
    if label is None:
        raise CorpusError(f"{where}: label is {word!r}; {LABEL_HELP}")
    return label


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise CorpusError(
            f"{path}: no such file; give the CSV of labels with the dataset's `labels`"
        ) from None
    except OSError as error:
        raise CorpusError(
            f"{path}: the CSV of labels cannot be read ({error}); check its permissions"
        ) from None
    try:
        return content.decode(_MARKS.get(content[:2], "utf-8-sig"))
    except UnicodeError:
        raise CorpusError(
            f"{path}: the CSV of labels is not UTF-8; save it as UTF-8, with or without a byte "
            "order mark"
        ) from None


def _columns(header: list[str], where: str) -> dict[str, int]:
    given = [name.strip().lower() for name in header]
    columns = {}
    for column, spellings in _COLUMNS.items():
        found = [given.index(name) for name in spellings if name in given]
        if found:
            columns[column] = found[0]
    if "label" not in columns or not columns.keys() & {"path", "sha256"}:
        raise CorpusError(
            f"{where}: the columns are {', '.join(header)}; needed are path or sha256, and label"
        )
    return columns


def _add(table: LabelTable, values: dict[str, str], folder: Path, where: str, line: int) -> None:
    sha256 = values.get("sha256", "").lower()
    if sha256 and not _SHA256.fullmatch(sha256):
        raise CorpusError(f"{where}: sha256 is {sha256!r}, not 64 hexadecimal digits")
    told = Told(
        parse_label(values["label"], where),
        values.get("appeared", ""),
        values.get("avclass", ""),
        sha256,
        line,
    )
    if name := values.get("path", ""):
        target, key = table.by_path, _below(name, folder, where)
    elif sha256:
        target, key = table.by_sha256, sha256
    else:
        raise CorpusError(
            f"{where}: names no program, since path and sha256 are empty; fill in one of them"
        )
    before = target.setdefault(key, told)
    if before.label != told.label:
        raise CorpusError(
            f"{where}: {key} is labelled {_NAMES[told.label]}, and {_NAMES[before.label]} in line "
            f"{before.line}; keep only one of the two lines"
        )


def _below(name: str, folder: Path, where: str) -> str:
    """A path of the table as one below the folder; Windows writes it with backslashes."""
    for spelling in dict.fromkeys((name, name.replace("\\", "/"))):
        whole = os.path.normpath(folder / spelling)
        below = os.path.relpath(whole, os.path.normpath(folder))
        # A dangling link is there, and has its error later.
        if os.path.lexists(whole) and not below.startswith(os.pardir):
            return below
    raise CorpusError(
        f"{where}: {name}: no such file in {folder}; paths are relative to the dataset's `path`"
    )
