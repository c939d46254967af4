"""The programs of a folder, and what became of each: the listing beside the extracted rows.

Apart from what extracts: the workflow and the index need no parser of programs.
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

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


def list_programs(folder: str | Path, labels: str | Path | None = None) -> list[str]:
    """The paths of all files below a folder, in their order; the table of labels is none.

    Raises CorpusError when the folder is missing, unreadable or has no files.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise CorpusError(
            f"{folder}: no such folder; give the folder of programs with the dataset's `path`"
        )
    found = []
    table = "" if labels is None else os.path.realpath(labels)
    for parent, _, names in os.walk(folder, onerror=_refuse):
        for name in names:
            path = os.path.join(parent, name)  # noqa: PTH118 - a Path per file takes its time
            if name != os.path.basename(table) or os.path.realpath(path) != table:  # noqa: PTH119
                found.append(os.path.relpath(path, folder))
    if not found:
        raise CorpusError(
            f"{folder}: the folder has no files; give the folder of programs with the dataset's "
            "`path`"
        )
    return sorted(found, key=os.fsencode)


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


def _refuse(error: OSError) -> NoReturn:
    raise CorpusError(f"{error.filename}: cannot be read ({error.strerror})")


def _write(path: Path, programs: list[Listed]) -> None:
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Listed._fields)
        writer.writerows(programs)
