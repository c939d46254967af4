"""Rows to be scored, from whatever holds them, in order and a batch at a time.

Labels are not asked for. What is wrong with one row is told in its place, and what is wrong with a
file as a whole is raised by that file's reader alone.
"""

from __future__ import annotations

from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import orjson

from dokunuki.corpus.extract.listing import list_programs
from dokunuki.corpus.jsonl import JsonLines
from dokunuki.corpus.own_rows import OwnRows
from dokunuki.corpus.parsing import parse_row, read_row
from dokunuki.corpus.protocol import BATCH_ROWS, UNKNOWN_DIGEST, BadRow, IndexEntry, Location
from dokunuki.corpus.quick_check import quick_identities
from dokunuki.corpus.release import open_release, release_files
from dokunuki.corpus.streams import head_of
from dokunuki.corpus.table_files import table_files, table_kind
from dokunuki.corpus.validation import FeatureVersionError, Row, check_row
from dokunuki.corpus.vectoriser import vectorise
from dokunuki.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dokunuki.corpus.layout import FeatureLayout
    from dokunuki.corpus.protocol import Release

_PROGRAM = b"MZ"
# What a row to be scored need not tell.
_USUAL = {"sha256": UNKNOWN_DIGEST.hex(), "appeared": "", "label": -1}
_CHECKED_LINES = 16
_PROGRAM_VERSIONS = (1, 2)

_Line = tuple[str, int, bytes]


class Batch(NamedTuple):
    """Rows of one source that stand together.

    `files`, `numbers` (from 1; None for a program) and `ids` (empty where unknown) are those of
    each row. `errors` tells by place what is wrong with a row, whose values in `X`, float32
    (n, width), then mean nothing.
    """

    files: Sequence[str]
    numbers: Sequence[int | None]
    ids: Sequence[str]
    errors: dict[int, str]
    X: np.ndarray


class Limits(NamedTuple):
    """How long a program may be, how long it may be read, and by how many processes at a time."""

    max_bytes: int = 64 << 20
    max_seconds: float = 30.0
    workers: int = 1


class Source(NamedTuple):
    """One file, or folder that is read as one: its name, and what reads it from the start."""

    name: str
    batches: Callable[[], Iterator[Batch]]


def sources(path: str | Path, layout: FeatureLayout, limits: Limits | None = None) -> list[Source]:
    """What a path holds: tables, raw rows, memory maps, or programs.

    Tables are read in the columns of `layout`; all else needs one of EMBER's feature versions.
    Raises CorpusError, or FeatureVersionError for rows that are not of this layout, when there is
    nothing of these; what is wrong within a source is raised by reading it.
    """
    path = Path(path).expanduser()
    if path.is_file() and table_kind(path):
        return [Source(str(path), partial(_table_batches, path, layout))]
    try:
        files = release_files(path)
    except CorpusError as error:
        return _other_sources(path, layout, limits or Limits(), error)
    version = _version(layout, str(path))
    if files[0].suffix == ".dat":
        folder = files[0].parent
        return [Source(str(folder), lambda: _in_place(open_release(folder, version)))]
    return [Source(str(file), partial(_line_batches, file, version)) for file in files]


def _other_sources(
    path: Path, layout: FeatureLayout, limits: Limits, no_release: CorpusError
) -> list[Source]:
    if path.is_file() and head_of(path).startswith(_PROGRAM):
        return [_programs(path.parent, [path.name], layout, limits, str(path))]
    if not path.is_dir() or not any(path.iterdir()):
        raise no_release
    # A table beside programs tells their labels.
    found = [name for name in list_programs(path, "") if not table_kind(Path(name))]
    if any(_is_program(path / name) for name in found):
        return [_programs(path, found, layout, limits, str(path))]
    if any(table_kind(file) for file in path.iterdir() if file.is_file()):
        return [
            Source(str(file), partial(_table_batches, file, layout)) for file in table_files(path)
        ]
    raise no_release


def _is_program(file: Path) -> bool:
    return file.is_file() and head_of(file).startswith(_PROGRAM)


def _version(layout: FeatureLayout, where: str) -> int:
    if layout.version is None:
        raise FeatureVersionError(
            f"{where}: raw rows have EMBER's features, but the detector takes those of "
            f"{layout.name}: give it a table with those features"
        )
    return layout.version


def _table_batches(file: Path, layout: FeatureLayout) -> Iterator[Batch]:
    for block in OwnRows(file, layout).unlabelled():
        X = block.X
        if block.faults:
            X = X.copy()
            X[list(block.faults)] = 0
        numbers = range(block.first, block.first + len(X))
        errors = {
            place: f"{file}: row {numbers[place]}: {fault}" for place, fault in block.faults.items()
        }
        yield Batch([str(file)] * len(X), numbers, block.ids, errors, X)


def _line_batches(file: Path, version: int) -> Iterator[Batch]:
    release = open_release(file, version)
    assert isinstance(release, JsonLines)
    lines = release.lines()
    sound = False
    for batch in _batched(lines):
        rows: list[Row | None] = []
        errors: dict[int, str] = {}
        for start in range(0, len(batch), _CHECKED_LINES):
            part = batch[start : start + _CHECKED_LINES]
            checked = quick_identities([text for _, _, text in part], version)
            for place, ((name, number, text), quick) in enumerate(
                zip(part, checked, strict=True), start
            ):
                try:
                    row = read_row(text) if quick else _row(text, version, f"{name}:{number}")
                except CorpusError as error:
                    # A first row of another version says that all are.
                    if isinstance(error, FeatureVersionError) and not sound:
                        raise
                    errors[place] = str(error)
                    rows.append(None)
                    continue
                sound = True
                rows.append(row)
        names, numbers, _ = zip(*batch, strict=True)
        yield _vectorised(names, numbers, rows, errors, version)


def _batched(lines: Iterator[_Line]) -> Iterator[list[_Line]]:
    """Lines in batches; those before the place where a file cannot be read on are not lost."""
    batch: list[_Line] = []
    problem: CorpusError | None = None
    try:
        for line in lines:
            batch.append(line)
            if len(batch) == BATCH_ROWS:
                yield batch
                batch = []
    except CorpusError as error:
        problem = error
    if batch:
        yield batch
    if problem is not None:
        raise problem


def _row(line: bytes, version: int, where: str) -> Row:
    """A checked row, which need not tell its label, date and sha256."""
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        return parse_row(line, version, where)
    if isinstance(row, dict):
        row = {**_USUAL, **{key: value for key, value in row.items() if value is not None}}
    check_row(row, version, where)
    checked: Row = row
    return checked


def _vectorised(
    files: Sequence[str],
    numbers: Sequence[int | None],
    rows: Sequence[Row | None],
    errors: dict[int, str],
    version: int,
) -> Batch:
    known = [row for row in rows if row is not None]
    vectors = vectorise(known, version)
    X = np.zeros((len(rows), vectors.shape[1]), dtype=np.float32)
    X[[place for place, row in enumerate(rows) if row is not None]] = vectors
    ids = ["" if row is None else _id(row["sha256"]) for row in rows]
    return Batch(files, numbers, ids, errors, X)


def _id(sha256: str) -> str:
    return "" if sha256 == _USUAL["sha256"] else sha256


def _in_place(release: Release) -> Iterator[Batch]:
    """The rows of a release that are read from their place, as memory maps are."""
    found = (entry for entry in release.scan() if isinstance(entry, IndexEntry | BadRow))
    while entries := list(islice(found, 32 * BATCH_ROWS)):
        errors = {
            place: str(entry.error)
            for place, entry in enumerate(entries)
            if isinstance(entry, BadRow)
        }
        places = [place for place, entry in enumerate(entries) if isinstance(entry, IndexEntry)]
        locations = [
            Location(
                entry.file, entry.line, entry.offset, entry.length, entry.digest, entry.checksum
            )
            for entry in entries
            if isinstance(entry, IndexEntry)
        ]
        X = np.zeros((len(entries), release.features.width), dtype=np.float32)
        for chosen, vectors in release.vectors(locations, vectorise):
            X[[places[position] for position in chosen]] = vectors
        ids = ["" if isinstance(entry, BadRow) else _id(entry.digest.hex()) for entry in entries]
        files = [str(release.path / entry.file) for entry in entries]
        yield Batch(files, [entry.line for entry in entries], ids, errors, X)


def _programs(
    folder: Path, paths: list[str], layout: FeatureLayout, limits: Limits, name: str
) -> Source:
    version = _version(layout, name)
    if version not in _PROGRAM_VERSIONS:
        raise FeatureVersionError(
            f"{name}: programs are extracted as feature version 1 or 2, but the detector takes "
            f"version {version}: give it raw rows or vectors"
        )
    return Source(name, partial(_program_batches, folder, paths, version, limits))


def _program_batches(
    folder: Path, paths: list[str], version: int, limits: Limits
) -> Iterator[Batch]:
    # Late, since the parser of programs is only needed for them.
    from dokunuki.corpus.extract.folder import Extracted, read_program
    from dokunuki.corpus.extract.workers import Failure, results

    read = partial(read_program, folder=str(folder), version=version, max_bytes=limits.max_bytes)
    outcomes = results(read, paths, limits.workers, limits.max_seconds)
    names = iter(paths)
    while batch := list(islice(outcomes, BATCH_ROWS)):
        rows: list[Row | None] = []
        errors: dict[int, str] = {}
        files = [str(folder / next(names)) for _ in batch]
        for place, outcome in enumerate(batch):
            made = Extracted("", b"", *outcome) if isinstance(outcome, Failure) else outcome
            if made.kind:
                errors[place] = f"{files[place]}: {made.error}"
                rows.append(None)
            else:
                rows.append({"sha256": made.sha256, **orjson.loads(made.features)})
        vectorised = _vectorised(files, [None] * len(batch), rows, errors, version)
        ids = [outcome.sha256 if isinstance(outcome, Extracted) else "" for outcome in batch]
        yield vectorised._replace(ids=ids)
