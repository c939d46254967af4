"""The feature vectors of a sample, in memory and on disk."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dokunuki.corpus.layout_record import layout_from_record, layout_record
from dokunuki.corpus.sampling import ROLES
from dokunuki.errors import ConfigError, DataFileError, damaged_file
from dokunuki.progress import Progress
from dokunuki.storage.arrays import RowStream, open_arrays, read_array, write_arrays
from dokunuki.storage.matrix import StoredMatrix, only_rows
from dokunuki.storage.row_blocks import row_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dokunuki.corpus.index import Index
    from dokunuki.corpus.layout import FeatureLayout
    from dokunuki.corpus.protocol import Release, Vectorise
    from dokunuki.corpus.sampling import Split
    from dokunuki.storage.matrix import Matrix


@dataclass(frozen=True)
class Vectors:
    """The feature vectors of a sample, row by row as in its split.

    `X` float32 (n, layout.width) are raw feature values, in memory or left in their file. `y` int8
    (n,) is 0 for goodware, 1 for malware. `sha256`, `appeared` and `role` are Unicode (n,), a role
    is one of `dokunuki.corpus.sampling.ROLES`. `dataset` is the name in the configuration, `corpus`
    where the rows come from: simulated, ember, rows or programs.
    Raises DataFileError when these contradict each other.
    """

    X: Matrix
    y: np.ndarray
    sha256: np.ndarray
    appeared: np.ndarray
    role: np.ndarray
    layout: FeatureLayout
    dataset: str
    corpus: str

    def __post_init__(self) -> None:
        rows = len(self.X)
        if self.X.ndim != 2 or self.X.shape[1] != self.layout.width:
            raise DataFileError(
                f"vectors of shape {self.X.shape} are not of {self.layout.name}, which has "
                f"{self.layout.width} columns; build them again"
            )
        for name in ("y", "sha256", "appeared", "role"):
            if getattr(self, name).shape != (rows,):
                raise DataFileError(
                    f"{rows} vectors with {name} of shape {getattr(self, name).shape}; build them "
                    "again"
                )

    def part(self, role: str) -> tuple[np.ndarray, np.ndarray]:
        """The rows of a role, and their labels, in memory of their own.

        Raises ConfigError for an unknown role.
        """
        return self.X[self._rows(role)], self.labels(role)

    def rows(self, role: str) -> Matrix:
        """The rows of a role, left in their file where the vectors are."""
        return only_rows(self.X, self._rows(role))

    def labels(self, role: str) -> np.ndarray:
        """The labels of a role's rows."""
        labels: np.ndarray = self.y[self._rows(role)]
        return labels

    def _rows(self, role: str) -> np.ndarray:
        if role not in ROLES:
            raise ConfigError(f"unknown role {role!r}; known: {', '.join(ROLES)}")
        return np.asarray(self.role == role)


def vectorise_split(
    release: Release,
    index: Index,
    split: Split,
    *,
    vectoriser: str = "dokunuki",
    dataset: str,
    corpus: str = "ember",
) -> Vectors:
    """Vectorise the rows of a split, and no others, in the split's order.

    `vectoriser` is "dokunuki" or "ember". Raises DataFileError when the split was drawn from
    another index or the index from a release of another version, CorpusError when the release has
    changed since it was indexed.
    """
    layout = release.features
    X = np.empty((len(split), layout.width), dtype=np.float32)
    for positions, batch in _batches(release, index, split, _vectoriser(vectoriser), dataset):
        X[positions] = batch
    return Vectors(
        X, split.label, split.sha256, split.appeared, split.role, layout, dataset, corpus
    )


def write_split_vectors(
    path: str | Path,
    release: Release,
    index: Index,
    split: Split,
    *,
    vectoriser: str = "dokunuki",
    dataset: str,
    corpus: str = "ember",
) -> None:
    """Vectorise the rows of a split and write them as they come: the matrix is never held whole.

    Arguments and errors are those of `vectorise_split`; `read_vectors` reads the file.
    """
    layout = release.features
    batches = _batches(release, index, split, _vectoriser(vectoriser), dataset)
    X = RowStream((len(split), layout.width), np.dtype(np.float32), batches)
    _write(path, X, split.label, split.sha256, split.appeared, split.role, layout, dataset, corpus)


def _batches(
    release: Release, index: Index, split: Split, vectorise: Vectorise, dataset: str
) -> Iterator[tuple[list[int], np.ndarray]]:
    """Positions in the split and their vectors, until all are told."""
    _check_same(index, split)
    if index.version != release.version:
        raise DataFileError(
            f"{release.path}: the index is of feature version {index.version}, the release is read "
            f"as version {release.version}; build the index again"
        )
    progress = Progress(f"vectorise {dataset}", len(split))
    filled = 0
    for positions, batch in release.vectors(index.locations(split.positions), vectorise):
        yield positions, batch
        filled += len(positions)
        progress.update(filled)
    if filled != len(split):
        raise DataFileError(
            f"{release.path}: gave {filled} of the {len(split)} rows of the split; delete the "
            "index and build it again"
        )


def write_vectors(path: str | Path, vectors: Vectors) -> None:
    """Write vectors with the names of all columns as HDF5, atomically."""
    _write(
        path,
        vectors.X,
        vectors.y.astype(np.int8),
        vectors.sha256,
        vectors.appeared,
        vectors.role,
        vectors.layout,
        vectors.dataset,
        vectors.corpus,
    )


def _write(
    path: str | Path,
    X: Matrix | RowStream,
    y: np.ndarray,
    sha256: np.ndarray,
    appeared: np.ndarray,
    role: np.ndarray,
    layout: FeatureLayout,
    dataset: str,
    corpus: str,
) -> None:
    arrays = {"label": y, "sha256": sha256, "appeared": appeared, "role": role}
    arrays["columns"] = np.array(layout.names, dtype=str)
    if layout.version is None:
        # A layout of the user's own goes with its vectors. Attributes hold 64 kB at most.
        arrays["layout"] = np.array(json.dumps(layout_record(layout)))
    facts: dict[str, str | int | float] = {"version": layout.version or 0}
    facts |= {"dataset": dataset, "corpus": corpus}
    write_arrays(path, {"X": X, **arrays}, facts)


def read_vectors(path: str | Path) -> Vectors:
    """Read what `write_vectors` or `write_split_vectors` wrote.

    The matrix stays in the file: each access reads what it asks for. The names of the columns are
    compared with the layout, so that a file of an older layout is not mistaken for a new one.
    Raises DataFileError when the file is missing or damaged.
    """
    with open_arrays(path) as file:
        arrays = {name: read_array(file, name) for name in ("sha256", "appeared", "role")}
        labels, columns = read_array(file, "label"), read_array(file, "columns")
        own = str(read_array(file, "layout")) if "layout" in file else None
        version = int(file.attrs["version"])
        dataset, corpus = str(file.attrs["dataset"]), str(file.attrs["corpus"])
    layout = layout_from_record(json.loads(own) if own else {"feature_version": version})
    if tuple(columns.tolist()) != layout.names:
        raise damaged_file(path, f"its columns are not those of {layout.name}")
    return Vectors(
        X=StoredMatrix(path, "X"),
        y=labels,
        layout=layout,
        dataset=dataset,
        corpus=corpus,
        **arrays,
    )


def _vectoriser(name: str) -> Vectorise:
    # Imported only when asked for, since the second needs a package that most users do not have.
    if name == "dokunuki":
        from dokunuki.corpus.vectoriser import vectorise

        return vectorise
    if name == "ember":
        from dokunuki.corpus.ember_vectoriser import vectorise as vectorise_by_ember

        return vectorise_by_ember
    raise ConfigError(f"corpus.vectoriser: unknown {name!r}; known: dokunuki, ember")


def _check_same(index: Index, split: Split) -> None:
    positions = split.positions
    same = len(positions) == 0 or (
        positions.max() < len(index)
        and bool((index.label[positions] == split.label).all())
        and all(
            index.sha256(positions[block]) == split.sha256[block].tolist()
            for block in row_blocks(len(positions))
        )
    )
    if not same:
        raise DataFileError(
            "the split was drawn from another index than this one; delete the split and run the "
            "same command again"
        )
