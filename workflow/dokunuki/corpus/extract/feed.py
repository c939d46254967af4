"""A folder of programs as one file: raw rows as JSON lines, or feature vectors as Parquet."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from dokunuki.corpus.exporting import export_rows
from dokunuki.corpus.extract.folder import extract_folder
from dokunuki.corpus.extract.listing import (
    ERRORS_FILE,
    PROGRAMS_FILE,
    ROWS_FILE,
    read_extraction,
)
from dokunuki.corpus.index import build_index
from dokunuki.corpus.release import open_release
from dokunuki.errors import CorpusError
from dokunuki.storage.files import atomic_write

SUFFIXES = (".parquet", ".jsonl")
"""What a feed is written as: vectors or raw rows."""


class Feed(NamedTuple):
    """What became of a folder: rows that were written, and programs that no row was made of."""

    rows: int
    errors: int


def write_feed(
    output: str | Path,
    folder: str | Path,
    labels: str | Path | None = None,
    *,
    version: int = 2,
    max_bytes: int,
    max_seconds: float,
    workers: int = 1,
) -> Feed:
    """Extract all programs below `folder` into the file `output`, as its suffix says.

    `.jsonl` are raw rows as `extract_folder` writes them. `.parquet` are float32 vectors with
    sha256, label and what else the labels tell; of programs with the same content the first is
    kept. What became of each file stands beside it, in `NAME.programs.csv` and, of those without a
    row, `NAME.errors.csv`. Without `labels` all programs are unlabelled (-1).
    Raises CorpusError for another suffix, and what `extract_folder` raises; `output` is then left
    as it was.
    """
    output = Path(output)
    if output.suffix not in SUFFIXES:
        raise CorpusError(
            f"{output}: the suffix decides how it is written; use one of {' and '.join(SUFFIXES)}"
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{output.stem}.", dir=output.parent) as temporary:
        release = Path(temporary)
        extract_folder(
            folder,
            labels,
            release,
            version=version,
            max_bytes=max_bytes,
            max_seconds=max_seconds,
            workers=workers,
        )
        if output.suffix == ".parquet":
            index, _ = build_index(open_release(release, version))
            export_rows(output, open_release(release, version), index)
            rows = len(index)
        else:
            with (release / ROWS_FILE).open("rb") as lines:
                rows = sum(1 for _ in lines)
            _move(release / ROWS_FILE, output)
        errors = read_extraction(release)["not_extracted"]["count"]
        for name in (PROGRAMS_FILE, ERRORS_FILE):
            _move(release / name, output.with_name(f"{output.stem}.{name}"))
        return Feed(rows, errors)


def _move(source: Path, target: Path) -> None:
    with atomic_write(target) as partial:
        shutil.move(source, partial)
