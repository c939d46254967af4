"""What became of each program: the CSV files beside the extracted rows, and what the index tells.

Apart from what extracts, since the index needs no parser of programs.
"""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dokunuki.errors import CorpusError, damaged_file
from dokunuki.storage.files import atomic_write

if TYPE_CHECKING:
    from collections.abc import Iterable

ROWS_FILE = "train_features_0.jsonl"
PROGRAMS_FILE = "programs.csv"
ERRORS_FILE = "errors.csv"
LISTED = 100
"""How many errors the index's report lists; all are counted, and all are in `errors.csv`."""


class ProgramError(CorpusError):
    """A program that no row can be made of; `kind` is one word for tables."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Listed(NamedTuple):
    """One program in the listing; `kind` and `error` are empty where a row was made of it.

    `path` is relative to the folder, `sha256` empty for a file that was not read to its end.
    """

    path: str
    sha256: str
    label: int
    kind: str = ""
    error: str = ""


def write_listing(folder: str | Path, programs: Iterable[Listed]) -> None:
    """Write `programs.csv` with all programs, and `errors.csv` with those that have no row."""
    programs = list(programs)
    _write(Path(folder) / PROGRAMS_FILE, programs)
    _write(Path(folder) / ERRORS_FILE, [program for program in programs if program.kind])


def read_extraction(folder: str | Path) -> dict[str, Any]:
    """How many programs have no row, by kind of error, and the first of them, ready for JSON.

    Empty for a release that was not extracted here. Raises DataFileError for a damaged listing.
    """
    path = Path(folder) / ERRORS_FILE
    if not path.is_file():
        return {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            errors = list(reader)
            if tuple(reader.fieldnames or ()) != Listed._fields:
                raise damaged_file(path, f"its columns are {reader.fieldnames}", folder)
    except (csv.Error, UnicodeError) as error:
        raise damaged_file(path, str(error), folder) from error
    kinds = Counter(error["kind"] for error in errors)
    return {
        "not_extracted": {
            "count": len(errors),
            "kinds": dict(sorted(kinds.items())),
            "listed": [
                {key: error[key] for key in ("path", "kind", "error")} for error in errors[:LISTED]
            ],
        }
    }


def _write(path: Path, programs: list[Listed]) -> None:
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Listed._fields)
        writer.writerows(programs)
