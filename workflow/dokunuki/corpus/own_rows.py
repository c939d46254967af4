"""Rows of the user's own: feature vectors in a table, with labels, read as a release is.

The columns are found by name in any order, or taken by position where the table has no such names.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dokunuki.corpus.array_tables import read_array_file
from dokunuki.corpus.labels import LABEL_HELP, LABELS
from dokunuki.corpus.layout import FEATURE_VERSIONS, feature_layout
from dokunuki.corpus.protocol import BATCH_ROWS, UNKNOWN_DIGEST, BadRow, IndexEntry
from dokunuki.corpus.table_files import is_label_file, label_file, table_files
from dokunuki.corpus.tables import open_table
from dokunuki.corpus.validation import FeatureVersionError, digest_of
from dokunuki.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dokunuki.corpus.layout import FeatureLayout
    from dokunuki.corpus.protocol import Location, Vectorise
    from dokunuki.corpus.table import Block, Table

OWN_VERSION = 0
"""The feature version that an index tells of rows whose layout is the user's own."""

# What a table's columns and arrays are called where the configuration names none.
_LABEL_NAMES = ("label", "labels", "y")
_ID_NAMES = ("sha256", "id", "ids")
_APPEARED_NAMES = ("appeared",)
_FAMILY_NAMES = ("family", "avclass")
_WEEK_NAMES = ("week",)
_SHOWN = 5


@dataclass(frozen=True)
class _Sides:
    """What is read of a table beside its features; None for what it does not tell."""

    label: str | None
    sample_id: str | None
    appeared: str | None
    family: str | None
    week: str | None

    def names(self) -> list[str]:
        """Those that are there."""
        return [name for name in vars(self).values() if name is not None]


class UnlabelledRows(NamedTuple):
    """Rows of a table that stand together, as they are.

    `first` is the number of the first, from 1. `ids` are what the table calls them, empty where it
    does not. `faults` tells by place what is wrong with a row of `X`, float32 (n, width).
    """

    file: Path
    first: int
    ids: list[str]
    X: np.ndarray
    faults: dict[int, str]


class OwnRows:
    """Tables of feature vectors, opened as a release; see `Release`.

    `label` names the column or array of labels, or a file beside the table (.npy, or text with a
    line a row). `sample_id` names that of the rows' sha256; ids of another form are kept as the
    sha256 of their text, and rows without any are told apart by file and line alone. None takes
    the usual names. Raises CorpusError that names file and column when these are not there, or when
    the columns are not those of `features`.
    """

    layout = "own rows"

    def __init__(
        self,
        path: str | Path,
        features: FeatureLayout,
        *,
        label: str | None = None,
        sample_id: str | None = None,
    ) -> None:
        self.path = Path(path).expanduser()
        self.features = features
        self.version = features.version or OWN_VERSION
        self._label = label
        self._sample_id = sample_id
        self._files = table_files(self.path)
        self.total_bytes = sum(file.stat().st_size for file in self._files)
        self.bytes_done = 0

    def scan(self) -> Iterator[IndexEntry | BadRow]:
        """Go through all rows; see `Release.scan`."""
        self.bytes_done = 0
        for file in self._files:
            yield from self._scan_table(file)
            self.bytes_done += file.stat().st_size

    def _scan_table(self, file: Path) -> Iterator[IndexEntry | BadRow]:
        table = open_table(file)
        sides = self._sides(table)
        columns = self._columns(table, sides)
        labels = None if sides.label else self._labels_beside(table)
        rows = 0
        for block in table.blocks(columns, sides.names()):
            if labels is not None:
                block.sides[""] = labels[block.start : block.start + len(block.X)]
            yield from self._entries(table, sides, block)
            rows = block.start + len(block.X)
        if labels is not None and len(labels) != rows:
            raise CorpusError(
                f"{label_file(table.path, self._label)}: has {len(labels)} labels, and {file.name} "
                f"has {rows} rows; write both again"
            )

    def unlabelled(self) -> Iterator[UnlabelledRows]:
        """All rows in order, block by block, whether they have labels or not."""
        for file in self._files:
            table = open_table(file)
            sides = self._sides(table, labelled=False)
            name = sides.sample_id
            for block in table.blocks(self._columns(table, sides), [name] if name else []):
                given = block.sides[name] if name else [None] * len(block.X)
                ids = [_text(value) for value in given]
                yield UnlabelledRows(file, block.start + 1, ids, block.X, self._faults(block.X))

    def sample_ids(self, locations: Sequence[Location]) -> list[str]:
        """What the tables call some rows, in the order of `locations`; empty where they do not.

        Raises CorpusError when a row is no longer there.
        """
        found = [""] * len(locations)
        places: dict[str, list[tuple[int, int]]] = {}
        for place, location in enumerate(locations):
            places.setdefault(location.file, []).append((location.line - 1, place))
        for file in self._files:
            wanted = sorted(places.get(file.name, ()))
            table = open_table(file)
            name = self._sides(table).sample_id
            if not wanted or name is None:
                continue
            rows = np.array([row for row, _ in wanted], dtype=np.int64)
            done = 0
            for block in table.blocks((), [name], rows):
                ids = block.sides[name]
                last = int(np.searchsorted(rows, block.start + len(ids)))
                for row, place in wanted[done:last]:
                    found[place] = _text(ids[row - block.start])
                done = last
            if done < len(wanted):
                raise self._changed(file, wanted[done][0] + 1)
        return found

    def _entries(self, table: Table, sides: _Sides, block: Block) -> Iterator[IndexEntry | BadRow]:
        faults = self._faults(block.X)
        columns = {key: block.sides.get(name or "") for key, name in vars(sides).items()}
        for place, row in enumerate(block.X):
            line = block.start + place + 1
            where = f"{table.path}: row {line}"
            told = {key: values[place] if values else None for key, values in columns.items()}
            label = LABELS.get(_text(told["label"]).lower())
            problem = faults.get(place)
            if problem is None and label is None:
                problem = f"label is {told['label']!r}; {LABEL_HELP}"
            if problem is not None or label is None:
                yield BadRow(table.path.name, line, CorpusError(f"{where}: {problem}"))
                continue
            yield IndexEntry(
                digest=_digest(_text(told["sample_id"])) if sides.sample_id else UNKNOWN_DIGEST,
                label=label,
                appeared=_text(told["appeared"]),
                avclass=_text(told["family"]),
                file=table.path.name,
                line=line,
                offset=line - 1,
                length=1,
                checksum=zlib.crc32(row.tobytes()),
                week=_text(told["week"]),
            )

    def _faults(self, X: np.ndarray) -> dict[int, str]:
        """What is wrong with rows, by their place."""
        faults = {}
        sound = np.isfinite(X)
        for place in np.flatnonzero(~sound.all(axis=1)).tolist():
            column = int(np.argmin(sound[place]))
            value = X[place, column]
            what = (
                "is empty or not a number"
                if np.isnan(value)
                else "is infinite, or beyond what float32 holds"
            )
            faults[place] = f"{self.features.names[column]} {what}"
        for place in np.flatnonzero(~X.any(axis=1)).tolist():
            faults[place] = "all features are 0, which is true of no program"
        return faults

    def vectors(
        self,
        locations: Sequence[Location],
        vectorise: Vectorise,
    ) -> Iterator[tuple[list[int], np.ndarray]]:
        """Copy some rows out of the tables; see `Release.vectors`."""
        lines = np.fromiter((location.line for location in locations), dtype=np.int64)
        numbers = {file.name: number for number, file in enumerate(self._files)}
        for location in locations:
            if location.file not in numbers:
                raise self._changed(self.path / location.file, location.line)
        files = np.fromiter((numbers[location.file] for location in locations), dtype=np.int16)
        for number, file in enumerate(self._files):
            positions = np.flatnonzero(files == number)
            if not len(positions):
                continue
            positions = positions[np.argsort(lines[positions], kind="stable")]
            wanted = lines[positions] - 1
            table = open_table(file)
            columns = self._columns(table, self._sides(table))
            found = 0
            for block in table.blocks(columns, (), wanted):
                first, last = np.searchsorted(wanted, (block.start, block.start + len(block.X)))
                for begin in range(int(first), int(last), BATCH_ROWS):
                    chosen = slice(begin, min(begin + BATCH_ROWS, int(last)))
                    rows = block.X[wanted[chosen] - block.start]
                    batch = positions[chosen].tolist()
                    self._check_unchanged(file, rows, [locations[p] for p in batch])
                    found += len(batch)
                    yield batch, rows
            if found < len(wanted):
                raise self._changed(file, int(wanted[found]) + 1)

    def _check_unchanged(self, file: Path, rows: np.ndarray, locations: Sequence[Location]) -> None:
        for row, location in zip(rows, locations, strict=True):
            if zlib.crc32(row.tobytes()) != location.checksum:
                raise self._changed(file, location.line)

    @staticmethod
    def _changed(file: Path, line: int) -> CorpusError:
        return CorpusError(
            f"{file}: row {line} has changed since the rows were indexed; run the same command "
            "again, or delete the index"
        )

    def _sides(self, table: Table, *, labelled: bool = True) -> _Sides:
        """Which columns or arrays tell label, id, date and family."""
        features = set(self.features.names)

        def named(given: str | None, usual: Sequence[str], key: str) -> str | None:
            if given is not None and given not in table.sides:
                raise CorpusError(
                    f"{table.path}: has no column {given!r} for {key}; it has "
                    f"{_few(table.sides) or 'none beside its matrix'}"
                )
            found = (name for name in usual if name in table.sides and name not in features)
            return given if given is not None else next(found, None)

        has_file = is_label_file(self._label)
        sides = _Sides(
            None if has_file else named(self._label, _LABEL_NAMES, "label"),
            named(self._sample_id, _ID_NAMES, "id"),
            named(None, _APPEARED_NAMES, "appeared"),
            named(None, _FAMILY_NAMES, "family"),
            named(None, _WEEK_NAMES, "week"),
        )
        if labelled and sides.label is None and label_file(table.path, self._label) is None:
            raise CorpusError(
                f"{table.path}: no labels: there is no column called label; name it (label: "
                f"NAME), or the file that holds them (label: labels.npy). It has "
                f"{_few(table.sides) or 'nothing beside its matrix'}"
            )
        return sides

    def _labels_beside(self, table: Table) -> list[Any]:
        file = label_file(table.path, self._label)
        assert file is not None
        labels = read_array_file(file)
        # The name of the column, in a text file.
        is_headed = bool(labels) and _text(labels[0]).lower() not in LABELS
        return labels[1:] if is_headed and file.suffix != ".npy" else labels

    def _columns(self, table: Table, sides: _Sides) -> list[int]:
        """The table's columns in the layout's order."""
        names = self.features.names
        if table.names is not None:
            places = {name: place for place, name in enumerate(table.names)}
            missing = [name for name in names if name not in places]
            if not missing:
                return [places[name] for name in names]
            if len(missing) < len(names):
                raise self._missing(table, missing)
        # None of the names is there: the columns are taken as they stand.
        beside = set(sides.names())
        free = [
            place
            for place in range(table.width)
            if table.names is None or table.names[place] not in beside
        ]
        if len(free) != len(names):
            raise self._wrong_width(table, len(free))
        return free

    def _missing(self, table: Table, missing: Sequence[str]) -> CorpusError:
        for version in FEATURE_VERSIONS:
            if version != self.version and set(feature_layout(version).names) <= set(
                table.names or ()
            ):
                return _other_version(table, self.features, version)
        return CorpusError(
            f"{table.path}: {len(missing)} of the {self.features.width} columns of "
            f"{self.features.name} are missing: {_few(missing)}; add them, or describe the "
            "existing columns in a layout file"
        )

    def _wrong_width(self, table: Table, width: int) -> CorpusError:
        for version in FEATURE_VERSIONS:
            if width == feature_layout(version).width:
                return _other_version(table, self.features, version)
        names = f", such as {_few(table.names)}" if table.names else ""
        return CorpusError(
            f"{table.path}: has {width} columns beside label and id{names}, and none by the names "
            f"of {self.features.name}, which has {self.features.width}; set version, or describe "
            "the columns in a layout file (docs/corpora.md)"
        )


def _other_version(table: Table, features: FeatureLayout, version: int) -> FeatureVersionError:
    return FeatureVersionError(
        f"{table.path}: {features.name} is declared, but the columns are those of feature version "
        f"{version}; set version: {version} for this dataset"
    )


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} others" if len(names) > _SHOWN else shown


def _text(value: Any) -> str:  # noqa: ANN401 - a cell can be anything
    return "" if value is None else str(value).strip()


def _digest(text: str) -> bytes:
    """A sha256 as it is, another id as the sha256 of its text, and no id as an unknown digest."""
    if not text:
        return UNKNOWN_DIGEST
    return digest_of(text) or hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
