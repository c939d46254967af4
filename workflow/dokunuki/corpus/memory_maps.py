"""Releases that `ember` has vectorised already: X_*.dat and y_*.dat, float32, row-major."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dokunuki.corpus.layout import FEATURE_VERSIONS, feature_layout
from dokunuki.corpus.protocol import BATCH_ROWS, UNKNOWN_DIGEST, BadRow, IndexEntry
from dokunuki.corpus.validation import DIGEST_BYTES, LABELS, FeatureVersionError
from dokunuki.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from dokunuki.corpus.protocol import Location, Vectorise

PARTS = ("train", "test")
_FLOAT_BYTES = 4


class _Metadata(NamedTuple):
    digest: bytes
    appeared: str
    avclass: str


class MemoryMaps:
    """A folder of X_train.dat, y_train.dat, X_test.dat, y_test.dat, or of one such pair.

    sha256, appeared and avclass come from train_metadata.csv and test_metadata.csv where these lie
    beside the maps. Without them they stay unknown, and duplicates are not recognised. The vectors
    are taken as they are.
    """

    layout = "memory maps"

    def __init__(self, path: Path, version: int) -> None:
        self.path = path
        self.version = version
        self.parts = tuple(part for part in PARTS if (path / f"X_{part}.dat").is_file())
        self.total_bytes = sum((path / f"y_{part}.dat").stat().st_size for part in self.parts)
        self.bytes_done = 0

    def scan(self) -> Iterator[IndexEntry | BadRow]:
        """Go through labels and metadata; see `Release.scan`."""
        self.bytes_done = 0
        width = feature_layout(self.version).width
        for part in self.parts:
            file = f"X_{part}.dat"
            labels = self._labels(part)
            self._check_size(part, len(labels))
            metadata = self._metadata(part, len(labels))
            for row, label in enumerate(labels.tolist()):
                self.bytes_done += _FLOAT_BYTES
                if label not in LABELS:
                    where = f"{self.path / f'y_{part}.dat'}:{row + 1}"
                    error = CorpusError(
                        f"{where}: label is {label}; a label is 0 (goodware), 1 (malware) or -1 "
                        "(unlabelled)"
                    )
                    yield BadRow(file, row + 1, error)
                    continue
                known = metadata[row] if metadata else _Metadata(UNKNOWN_DIGEST, "", "")
                length = width * _FLOAT_BYTES
                yield IndexEntry(
                    known.digest,
                    int(label),
                    known.appeared,
                    known.avclass,
                    file,
                    row + 1,
                    row * length,
                    length,
                    0,
                )

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
            X = np.memmap(self.path / file, dtype=np.float32, mode="r", shape=(rows, width))
            for start in range(0, len(positions), BATCH_ROWS):
                batch = positions[start : start + BATCH_ROWS]
                lines = [locations[position].line for position in batch]
                if lines[-1] > rows:
                    raise CorpusError(
                        f"{self.path / file}: has no row {lines[-1]} any more: the release has "
                        "changed since it was indexed; delete the index and build it again"
                    )
                vectors = np.array(X[np.array(lines) - 1])
                self._check_finite(vectors, lines, file)
                yield batch, vectors

    def _check_finite(self, vectors: np.ndarray, lines: list[int], file: str) -> None:
        faults = np.argwhere(~np.isfinite(vectors))
        if len(faults):
            row, column = faults[0]
            name = feature_layout(self.version).names[column]
            raise CorpusError(
                f"{self.path / file}:{lines[row]}: {name} is {vectors[row, column]}; vectorise the "
                "release again, or give its raw features as the dataset's path"
            )

    def _labels(self, part: str) -> np.ndarray:
        path = self.path / f"y_{part}.dat"
        if not path.is_file():
            raise CorpusError(f"{path}: no such file; X_{part}.dat needs its labels beside it")
        if path.stat().st_size == 0:
            raise CorpusError(f"{path}: the file is empty; fetch or copy it again")
        if path.stat().st_size % _FLOAT_BYTES:
            raise CorpusError(
                f"{path}: truncated: its size is no multiple of {_FLOAT_BYTES} bytes; fetch or "
                "copy it again"
            )
        return np.fromfile(path, dtype=np.float32)

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

    def _metadata(self, part: str, rows: int) -> list[_Metadata] | None:
        path = self.path / f"{part}_metadata.csv"
        if not path.is_file():
            return None
        metadata = []
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            if "sha256" not in (reader.fieldnames or ()):
                raise CorpusError(
                    f"{path}:1: has no column sha256; make it again with ember's create_metadata, "
                    "or take it away"
                )
            for row in reader:
                metadata.append(
                    _Metadata(
                        _digest(row["sha256"], f"{path}:{reader.line_num}"),
                        row.get("appeared") or "",
                        row.get("avclass") or "",
                    )
                )
        if len(metadata) != rows:
            raise CorpusError(
                f"{path}: describes {len(metadata)} rows, X_{part}.dat has {rows}; make it again "
                "with ember's create_metadata, or take it away"
            )
        return metadata


def _digest(text: str | None, where: str) -> bytes:
    try:
        digest = bytes.fromhex(text or "")
    except ValueError:
        digest = b""
    if len(digest) != DIGEST_BYTES:
        raise CorpusError(
            f"{where}: sha256 is {text!r}, not 64 hexadecimal digits; make the file again with "
            "ember's create_metadata, or take it away"
        )
    return digest
