"""Opening a table of numbers, whatever its file.

Parquet, Feather and CSV are read by pyarrow, HDF5 by h5py, .npy and .npz by numpy. Each has a
matrix of numbers, with names for its columns or without, and sides: what else is known of a row,
such as its label. None of them is ever held whole, but for a Feather file's record batches and for
a matrix in a .npz that numpy wrote column by column.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dokunuki.corpus.array_tables import Hdf5, Npy, Npz
from dokunuki.corpus.arrow_tables import Csv, Feather, Parquet
from dokunuki.corpus.table import readable
from dokunuki.corpus.table_files import table_kind
from dokunuki.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dokunuki.corpus.table import Table

_OPENERS: dict[str, Callable[[Path], Table]] = {
    "parquet": Parquet,
    "pq": Parquet,
    "feather": Feather,
    "arrow": Feather,
    "csv": Csv,
    "tsv": Csv,
    "npy": Npy,
    "npz": Npz,
    "h5": Hdf5,
    "hdf5": Hdf5,
}


def open_table(path: Path) -> Table:
    """Open a file by its suffix; raises CorpusError for one that is no table or cannot be read."""
    kind = table_kind(path)
    if kind is None:
        raise CorpusError(
            f"{path}: is not a table; its name must end in a suffix such as .parquet or .csv"
        )
    with readable(path):
        return _OPENERS[kind](path)
