"""A dataset's feature vectors as one Parquet file, with names for all columns."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from dokunuki.corpus.vectoriser import vectorise
from dokunuki.progress import Progress
from dokunuki.storage.files import atomic_write
from dokunuki.storage.row_blocks import row_blocks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from dokunuki.corpus.index import Index
    from dokunuki.corpus.layout import FeatureLayout
    from dokunuki.corpus.protocol import Release

# What is exported of the index besides, under these names.
_TOLD = ("appeared", "avclass", "week")
GROUP_ROWS = 10_000
"""Rows of a row group: few enough to be held while they are written."""


class Exported(NamedTuple):
    """Rows to be written.

    `sha256` (n,) is empty where it is not known. `label` is int8 (n,), and `X` are raw rows,
    float32 (n, layout.width). `told` are texts (n,) by name.
    """

    sha256: Sequence[str]
    label: np.ndarray
    X: np.ndarray
    told: Mapping[str, Sequence[str]] = MappingProxyType({})


def export_rows(path: str | Path, release: Release, index: Index) -> None:
    """Write all rows of an index, in its order, with sha256 and label and what else is told.

    Raises CorpusError when the release has changed since it was indexed.
    """
    write_table(path, release.features, _indexed(release, index), _TOLD)


def _indexed(release: Release, index: Index) -> Iterator[Exported]:
    progress = Progress("export", len(index))
    for block in row_blocks(len(index), GROUP_ROWS):
        group = np.arange(len(index))[block]
        X = np.empty((len(group), release.features.width), dtype=np.float32)
        for places, rows in release.vectors(index.locations(group), vectorise):
            X[places] = rows
        told = {field: index.told(field, group).tolist() for field in _TOLD}
        yield Exported(index.sha256(group), index.label[group], X, told)
        progress.update(int(group[-1]) + 1)


def write_table(
    path: str | Path,
    layout: FeatureLayout,
    blocks: Iterable[Exported],
    told: Sequence[str] = (),
) -> None:
    """Write rows as a Parquet file that can be read back as own rows (`kind: rows`).

    Each block is a row group, and is held while it is written. `told` names what each tells besides
    sha256 and label.
    """
    schema = pa.schema(
        [
            ("sha256", pa.string()),
            ("label", pa.int8()),
            *((field, pa.string()) for field in told),
            *((name, pa.float32()) for name in layout.names),
        ]
    )
    with atomic_write(path) as temporary, pa.parquet.ParquetWriter(temporary, schema) as writer:
        for block in blocks:
            columns = [
                pa.array(block.sha256),
                pa.array(block.label),
                *(pa.array(block.told[field]) for field in told),
                *(pa.array(column) for column in block.X.T),
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
