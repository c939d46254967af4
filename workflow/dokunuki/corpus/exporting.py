"""A dataset's feature vectors as one Parquet file, with names for all columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from dokunuki.corpus.vectoriser import vectorise
from dokunuki.progress import Progress
from dokunuki.storage.files import atomic_write

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from dokunuki.corpus.index import Index
    from dokunuki.corpus.layout import FeatureLayout
    from dokunuki.corpus.protocol import Release

# What is exported of the index besides, under these names.
_TOLD = ("appeared", "avclass", "week")
# Rows of a row group: few enough to be held while they are written.
_GROUP_ROWS = 10_000


def export_rows(path: str | Path, release: Release, index: Index) -> None:
    """Write all rows of an index, in its order, with sha256 and label and what else is told.

    What is written can be read back as own rows (`kind: rows`). Raises CorpusError when the release
    has changed since it was indexed.
    """
    layout = release.features
    schema = pa.schema(
        [
            ("sha256", pa.string()),
            ("label", pa.int8()),
            *((field, pa.string()) for field in _TOLD),
            *((name, pa.float32()) for name in layout.names),
        ]
    )
    progress = Progress("export", len(index))
    with atomic_write(path) as temporary, pa.parquet.ParquetWriter(temporary, schema) as writer:
        for start in range(0, len(index), _GROUP_ROWS):
            group = range(start, min(start + _GROUP_ROWS, len(index)))
            X = np.empty((len(group), layout.width), dtype=np.float32)
            for places, rows in release.vectors(index.locations(group), vectorise):
                X[places] = rows
            chosen = np.array(group)
            columns = [
                pa.array(index.sha256(group)),
                pa.array(index.label[chosen]),
                *(pa.array(index.told(field, chosen).tolist()) for field in _TOLD),
                *(pa.array(column) for column in X.T),
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
            progress.update(group[-1] + 1)


def write_table(
    path: str | Path,
    layout: FeatureLayout,
    blocks: Iterable[tuple[Sequence[str], np.ndarray, np.ndarray]],
) -> None:
    """Write rows as a Parquet file that can be read as own rows, block by block.

    Each of `blocks` has sha256 (n,), empty where it is not known, labels int8 (n,) and raw rows
    float32 (n, layout.width).
    """
    schema = pa.schema(
        [
            ("sha256", pa.string()),
            ("label", pa.int8()),
            *((name, pa.float32()) for name in layout.names),
        ]
    )
    with atomic_write(path) as temporary, pa.parquet.ParquetWriter(temporary, schema) as writer:
        for sha256, label, X in blocks:
            columns = [pa.array(sha256), pa.array(label), *(pa.array(column) for column in X.T)]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
