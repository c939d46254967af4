"""HDF5 files: every dataset carries a checksum per chunk, and equal content gives equal bytes."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from dokunuki.errors import DataFileError
from dokunuki.files import atomic_write

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# Rows per chunk: small enough to read single rows cheaply, large enough to compress well.
_CHUNK_BYTES = 1 << 20


def _encoded(values: Any) -> np.ndarray:  # noqa: ANN401 - array-likes
    """Unicode arrays become fixed-width UTF-8, which HDF5 stores without variable-length heaps."""
    array = np.asarray(values)
    if array.dtype.kind == "U":
        array = np.char.encode(array, "utf-8")
    return array


def create_dataset(group: h5py.Group, name: str, values: Any) -> None:  # noqa: ANN401
    """Store an array with fletcher32 checksums, shuffled and compressed, without time stamps."""
    array = _encoded(values)
    if array.ndim == 0 or array.size == 0:  # scalars and empty arrays cannot be chunked
        group.create_dataset(name, data=array, track_times=False)
        return
    row_bytes = max(1, array[0].nbytes)
    rows = int(min(len(array), max(1, _CHUNK_BYTES // row_bytes)))
    group.create_dataset(
        name,
        data=array,
        chunks=(rows, *array.shape[1:]),
        compression="gzip",
        compression_opts=1,
        shuffle=True,
        fletcher32=True,
        track_times=False,
    )


def write_arrays(
    path: str | Path,
    arrays: Mapping[str, Any],
    attributes: Mapping[str, str | int | float] | None = None,
) -> None:
    """Write named arrays (any numpy dtype or Unicode strings) and attributes, atomically."""
    with atomic_write(path) as temporary, h5py.File(temporary, "w") as file:
        for name, values in arrays.items():
            create_dataset(file, name, values)
        for key, value in (attributes or {}).items():
            file.attrs[key] = value


@contextmanager
def open_arrays(path: str | Path) -> Iterator[h5py.File]:
    """Open a file for reading; damage surfaces as a `DataFileError` that says what to rebuild."""
    try:
        with h5py.File(path, "r") as file:
            yield file
    except FileNotFoundError as error:
        raise DataFileError(f"{path}: no such file; build it with `snakemake {path}`") from error
    except OSError as error:
        raise DataFileError(
            f"{path}: damaged or truncated ({error}); rebuild it: delete it and run "
            f"`snakemake {path}`"
        ) from error


def read_array(file: h5py.File, name: str, rows: Any = slice(None)) -> np.ndarray:  # noqa: ANN401
    """Read a dataset (or some of its rows); fixed-width bytes come back as Unicode."""
    if name not in file:
        raise DataFileError(
            f"{file.filename}: has no dataset {name!r}; it was not written by this version: "
            "delete it and build it again"
        )
    array = np.asarray(file[name][rows] if file[name].ndim else file[name][()])
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8")
    return array


def read_arrays(path: str | Path, *names: str) -> dict[str, np.ndarray]:
    """Read the named datasets, or all of them when none is named."""
    with open_arrays(path) as file:
        return {name: read_array(file, name) for name in (names or tuple(file))}


def read_attributes(path: str | Path) -> dict[str, Any]:
    """Read the file's attributes as plain Python values."""
    with open_arrays(path) as file:
        return {
            key: value.item() if hasattr(value, "item") else value
            for key, value in file.attrs.items()
        }
