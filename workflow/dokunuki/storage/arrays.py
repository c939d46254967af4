"""HDF5 files that notice any damage, and whose bytes are equal when their content is.

HDF5's own checksums cover neither scalars nor attributes nor the places of things. The sha256 of
the whole file therefore stands in the block that HDF5 leaves to its users at the start of a file.
"""

from __future__ import annotations

import io
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from dokunuki.errors import damaged_file, missing_file, unreadable_file
from dokunuki.storage.files import atomic_write
from dokunuki.storage.seals import UNSEALED, check_seal, seal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from _typeshed import ReadableBuffer

# Rows per chunk: small enough to read single rows cheaply, large enough to compress well.
_CHUNK_BYTES = 1 << 20
# Rows of a stream go to several places, one a role: their chunks stay open beside each other.
_CACHE_BYTES = 16 * _CHUNK_BYTES
# The least that HDF5 allows.
_BLOCK_BYTES = 512


@dataclass(frozen=True)
class RowStream:
    """A matrix whose rows come in batches: it is written without ever being held whole.

    `batches` give positions and their rows, (batch, width). All positions of `shape` must come, in
    any order; runs of neighbours in each batch are written fastest.
    """

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    batches: Iterable[tuple[Sequence[int], np.ndarray]]


class _Disk(io.FileIO):
    """The file under HDF5, which crashes the process when a write fails: failures come later."""

    failure: OSError | None = None

    def check(self) -> None:
        """Raise what made a write fail."""
        if self.failure is not None:
            raise self.failure

    def write(self, content: ReadableBuffer, /) -> int:
        rest = memoryview(content).cast("B")
        length = len(rest)
        while rest and self.failure is None:
            try:
                rest = rest[super().write(rest) :]
            except OSError as error:
                self.failure = error
        return length


def _encoded(values: Any) -> np.ndarray:  # noqa: ANN401 - array-likes
    """Unicode arrays become fixed-width UTF-8, which HDF5 stores without variable-length heaps."""
    array = np.asarray(values)
    if array.dtype.kind == "U":
        array = np.char.encode(array, "utf-8")
    return array


def create_array(group: h5py.Group, name: str, values: Any) -> None:  # noqa: ANN401
    """Store an array, shuffled and compressed, without time stamps."""
    if isinstance(values, RowStream):
        _store_rows(group, name, values)
        return
    array = _encoded(values)
    if array.ndim == 0 or array.size == 0:  # scalars and empty arrays cannot be chunked
        group.create_dataset(name, data=array, track_times=False)
        return
    group.create_dataset(name, data=array, **_storage(array.shape, array[0].nbytes))


def _storage(shape: tuple[int, ...], row_bytes: int) -> dict[str, Any]:
    """How HDF5 is to lay out an array that is not empty."""
    rows = min(shape[0], max(1, _CHUNK_BYTES // max(1, row_bytes)))
    return {
        "chunks": (rows, *shape[1:]),
        "compression": "gzip",
        "compression_opts": 1,
        "shuffle": True,
        "track_times": False,
    }


def _store_rows(group: h5py.Group, name: str, stream: RowStream) -> None:
    """Write the rows of a stream as they come."""
    row_bytes = stream.shape[1] * stream.dtype.itemsize
    storage = _storage(stream.shape, row_bytes) if stream.shape[0] else {"track_times": False}
    dataset = group.create_dataset(name, shape=stream.shape, dtype=stream.dtype, **storage)
    for positions, rows in stream.batches:
        places = np.asarray(positions)
        # HDF5 is fast at ranges and slow at picked rows.
        bounds = np.flatnonzero(np.diff(places) != 1) + 1
        for run, part in zip(np.split(places, bounds), np.split(rows, bounds), strict=True):
            if len(run):
                dataset[run[0] : run[-1] + 1] = part


def write_arrays(
    path: str | Path,
    arrays: Mapping[str, Any],
    attributes: Mapping[str, str | int | float] | None = None,
) -> None:
    """Write named arrays (any numpy dtype or Unicode strings) and attributes, atomically."""
    with create_arrays(path) as (file, _):
        for name, values in arrays.items():
            create_array(file, name, values)
        for key, value in (attributes or {}).items():
            file.attrs[key] = value


@contextmanager
def create_arrays(path: str | Path) -> Iterator[tuple[h5py.File, Callable[[], None]]]:
    """Hand out a file to fill, for what is not known at once; `path` is written atomically.

    With it comes a function to call now and then: it raises when a write has failed, which else is
    told at the end only.
    """
    with atomic_write(path) as temporary:
        with _Disk(temporary, "w+") as disk:
            try:
                with h5py.File(
                    disk, "w", userblock_size=_BLOCK_BYTES, rdcc_nbytes=_CACHE_BYTES
                ) as file:
                    yield file, disk.check
            finally:
                # The cause of whatever HDF5 says when it misses what could not be written.
                disk.check()
        with temporary.open("r+b") as start:
            start.write(f"dokunuki, HDF5 from byte {_BLOCK_BYTES} on\n{UNSEALED}".encode())
        seal(temporary)


@contextmanager
def open_arrays(path: str | Path) -> Iterator[h5py.File]:
    """Open a file for reading, when every byte of it is as it was written.

    Raises DataFileError, which says what to rebuild, for one that is missing, damaged or not
    written by `write_arrays`.
    """
    try:
        status = Path(path).stat()
    except FileNotFoundError as error:
        raise missing_file(path) from error
    except OSError as error:
        raise unreadable_file(path, error) from error
    _check(Path(path), status.st_ino, status.st_size, status.st_mtime_ns)
    with h5py.File(path, "r") as file:
        yield file


@lru_cache
def _check(path: Path, inode: int, size: int, modified: int) -> None:
    """Compare a file with its sha256, once per process while it stays the same file.

    A matrix that is read block by block would else be hashed whole for each of its blocks.
    """
    check_seal(path)


def read_array(file: h5py.File, name: str, rows: Any = slice(None)) -> np.ndarray:  # noqa: ANN401
    """Read a dataset (or some of its rows); fixed-width bytes come back as Unicode."""
    if name not in file:
        raise damaged_file(
            file.filename, f"has no dataset {name!r}: it was not written by this version"
        )
    array = np.asarray(file[name][rows] if file[name].ndim else file[name][()])
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8")
    return array


def read_attributes(file: h5py.File) -> dict[str, Any]:
    """The attributes of an open file as plain Python values."""
    return {
        key: value.item() if hasattr(value, "item") else value for key, value in file.attrs.items()
    }
