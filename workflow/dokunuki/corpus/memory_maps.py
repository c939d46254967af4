"""Releases that `ember` has vectorised already: X_*.dat and y_*.dat, float32, row-major."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dokunuki.corpus.layout import FEATURE_VERSIONS, feature_layout
from dokunuki.corpus.metadata import Metadata, read_metadata
from dokunuki.corpus.protocol import BATCH_ROWS, UNKNOWN_DIGEST, BadRow, IndexEntry
from dokunuki.corpus.streams import BLOCK_BYTES, check_copied, readable
from dokunuki.corpus.validation import LABELS, FeatureVersionError
from dokunuki.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from dokunuki.corpus.protocol import Location, Vectorise

PARTS = ("train", "test")
_FLOAT_BYTES = 4
_MEND = "vectorise the release again, or give its raw features as the dataset's path"


class _Vectors(NamedTuple):
    """What a look through a map found, row by row.

    `checksum` uint32 (n,) are the CRC-32 of the rows' bytes. `empty` bool (n,) tells rows that are
    all zero. `infinite` int32 (n,) is a row's first column that is no finite number, or -1.
    """

    checksum: np.ndarray
    empty: np.ndarray
    infinite: np.ndarray


class MemoryMaps:
    """A folder of X_train.dat, y_train.dat, X_test.dat, y_test.dat, or of one such pair.

    sha256, appeared and avclass come from train_metadata.csv and test_metadata.csv where these lie
    beside the maps. Without them they stay unknown, and duplicates are not recognised. The vectors
    are taken as they are, but no row may be all zero or hold what is no finite number: a map that
    was created and not wholly filled has such rows, which seem to be goodware.
    """

    layout = "memory maps"

    def __init__(self, path: Path, version: int) -> None:
        self.path = path
        self.version = version
        self.features = feature_layout(version)
        self.parts = tuple(part for part in PARTS if (path / f"X_{part}.dat").is_file())
        self.total_bytes = sum((path / f"X_{part}.dat").stat().st_size for part in self.parts)
        self.bytes_done = 0

    def scan(self) -> Iterator[IndexEntry | BadRow]:
        """Go through labels, metadata and vectors; see `Release.scan`."""
        self.bytes_done = 0
        length = feature_layout(self.version).width * _FLOAT_BYTES
        for part in self.parts:
            file = f"X_{part}.dat"
            for name in (file, f"y_{part}.dat", f"{part}_metadata.csv"):
                check_copied(self.path / name)
            labels = self._labels(part)
            self._check_size(part, len(labels))
            metadata = self._metadata(part, labels)
            vectors = self._look_through(part, len(labels))
            for row, label in enumerate(labels.tolist()):
                if problem := self._problem(part, row, label, vectors):
                    yield BadRow(file, row + 1, CorpusError(problem))
                    continue
                known = metadata[row] if metadata else Metadata(UNKNOWN_DIGEST, "", "")
                yield IndexEntry(
                    known.digest,
                    int(label),
                    known.appeared,
                    known.avclass,
                    file,
                    row + 1,
                    row * length,
                    length,
                    int(vectors.checksum[row]),
                )

    def _look_through(self, part: str, rows: int) -> _Vectors:
        """Read all rows of a map, a block at a time."""
        width = feature_layout(self.version).width
        found = _Vectors(
            np.empty(rows, np.uint32), np.empty(rows, np.bool_), np.full(rows, -1, np.int32)
        )
        path = self.path / f"X_{part}.dat"
        block_rows = max(1, BLOCK_BYTES // (width * _FLOAT_BYTES))
        with readable(path), path.open("rb") as file:
            for start in range(0, rows, block_rows):
                block = np.fromfile(file, np.float32, width * min(block_rows, rows - start))
                block = block.reshape(-1, width)
                some = slice(start, start + len(block))
                found.checksum[some] = [zlib.crc32(row.data) for row in block]
                found.empty[some] = ~block.any(axis=1)
                infinite = ~np.isfinite(block)
                if infinite.any():
                    found.infinite[some] = np.where(
                        infinite.any(axis=1), infinite.argmax(axis=1), -1
                    )
                self.bytes_done += block.nbytes
        return found

    def _problem(self, part: str, row: int, label: float, vectors: _Vectors) -> str | None:
        """What is wrong with a row, if anything."""
        where = f"{self.path / f'X_{part}.dat'}:{row + 1}"
        if label not in LABELS:
            return (
                f"{self.path / f'y_{part}.dat'}:{row + 1}: label is {label}; a label is 0 "
                "(goodware), 1 (malware) or -1 (unlabelled)"
            )
        if vectors.empty[row]:
            count, rows = np.count_nonzero(vectors.empty), len(vectors.empty)
            return (
                f"{where}: the vector is all zeros, which no file's is; so are {count} of the "
                f"{rows} rows of this map, the first of them row {vectors.empty.argmax() + 1}: the "
                f"map was not completely filled, or was copied in part; {_MEND}"
            )
        if vectors.infinite[row] >= 0:
            name = feature_layout(self.version).names[vectors.infinite[row]]
            count = np.count_nonzero(vectors.infinite >= 0)
            return (
                f"{where}: {name} is not a finite number, as in {count} of the "
                f"{len(vectors.infinite)} rows of this map; {_MEND}"
            )
        return None

    def vectors(
        self,
        locations: Sequence[Location],
        vectorise: Vectorise,
    ) -> Iterator[tuple[list[int], np.ndarray]]:
        """Copy some rows out of the maps; see `Release.vectors`."""
        width = feature_layout(self.version).width
        for part in self.parts:
            file = f"X_{part}.dat"
            rows = self._check_size(part, len(self._labels(part)))
            positions = sorted(
                (p for p, location in enumerate(locations) if location.file == file),
                key=lambda p: locations[p].line,
            )
            with readable(self.path / file):
                X = np.memmap(self.path / file, dtype=np.float32, mode="r", shape=(rows, width))
            for start in range(0, len(positions), BATCH_ROWS):
                batch = positions[start : start + BATCH_ROWS]
                lines = [locations[position].line for position in batch]
                if lines[-1] > rows:
                    raise self._changed(file, lines[-1])
                vectors = np.array(X[np.array(lines) - 1])
                for position, vector in zip(batch, vectors, strict=True):
                    if zlib.crc32(vector.data) != locations[position].checksum:
                        raise self._changed(file, locations[position].line)
                yield batch, vectors

    def _changed(self, file: str, line: int) -> CorpusError:
        return CorpusError(
            f"{self.path / file}:{line}: the row is no longer here, or is another one: the release "
            "has changed since it was indexed; delete the index and run the same command again"
        )

    def _labels(self, part: str) -> np.ndarray:
        path = self.path / f"y_{part}.dat"
        if not path.is_file():
            raise CorpusError(f"{path}: no such file; X_{part}.dat needs its labels beside it")
        if path.stat().st_size == 0:
            raise CorpusError(f"{path}: the file is empty; fetch or copy it again")
        if path.stat().st_size % _FLOAT_BYTES:
            raise CorpusError(
                f"{path}: truncated: its size is not a multiple of {_FLOAT_BYTES} bytes; fetch or "
                "copy it again"
            )
        with readable(path):
            labels = np.fromfile(path, dtype=np.float32)
        # EMBER2024's code writes them as whole numbers, of which -1 and 1 are no labels as floats.
        whole = labels.view(np.int32)
        return whole.astype(np.float32) if np.isin(whole, LABELS).all() else labels

    def _metadata(self, part: str, labels: np.ndarray) -> list[Metadata] | None:
        path = self.path / f"{part}_metadata.csv"
        if not path.is_file():
            return None
        return read_metadata(path, labels.tolist(), f"y_{part}.dat")

    def _check_size(self, part: str, rows: int) -> int:
        """The rows of X_*.dat, which must be as many as the labels."""
        path = self.path / f"X_{part}.dat"
        size = path.stat().st_size
        width = feature_layout(self.version).width
        if size == rows * width * _FLOAT_BYTES:
            return rows
        for version in FEATURE_VERSIONS:
            if size == rows * feature_layout(version).width * _FLOAT_BYTES:
                raise FeatureVersionError(
                    f"{path}: feature version {self.version} is declared, but its rows have "
                    f"{feature_layout(version).width} columns and so are of version {version}; set "
                    f"version: {version} for this dataset"
                )
        raise CorpusError(
            f"{path}: has {size} bytes where {rows} rows (as y_{part}.dat has) of {width} float32 "
            f"columns need {rows * width * _FLOAT_BYTES}: truncated, or of another release; fetch "
            "or copy both again"
        )
