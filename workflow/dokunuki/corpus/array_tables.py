"""Tables that are a matrix, with arrays beside it: numpy's .npy and .npz, and HDF5."""

from __future__ import annotations

import math
import zipfile
from abc import abstractmethod
from typing import IO, TYPE_CHECKING, Any

import h5py
import numpy as np

from dokunuki.corpus.table import Block, Table, as_float32, block_rows, holds, readable
from dokunuki.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_MATRIX_NAMES = ("X", "x", "features", "data", "vectors")
_COLUMN_NAMES = ("columns", "feature_names", "names")


class _Matrix(Table):
    """A matrix and the arrays beside it, by name; a subclass says where they come from."""

    def __init__(
        self,
        path: Path,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        sides: Sequence[str],
        names: tuple[str, ...] | None,
    ) -> None:
        if len(shape) != 2 or dtype.kind not in "biuf":
            raise CorpusError(
                f"{path}: holds {dtype} of shape {shape}; save the rows as a matrix of numbers, "
                "one row for each program"
            )
        if names is not None and len(names) != shape[1]:
            raise CorpusError(
                f"{path}: {len(names)} column names for {shape[1]} columns; give each column one "
                "name"
            )
        self.path = path
        self.rows, self.width = shape
        self.names = names
        self.sides = tuple(sides)

    @abstractmethod
    def _parts(self, rows: int, wanted: np.ndarray | None) -> Iterator[tuple[int, np.ndarray]]:
        """Parts of the matrix of at most `rows` rows, each with the number of its first."""

    @abstractmethod
    def _side(self, name: str) -> np.ndarray:
        """One of the arrays beside the matrix."""

    def blocks(
        self, columns: Sequence[int], sides: Sequence[str], wanted: np.ndarray | None = None
    ) -> Iterator[Block]:
        """See `Table.blocks`."""
        with readable(self.path):
            beside = {name: _plain(self._side(name)) for name in sides}
            for name, values in beside.items():
                if values.shape != (self.rows,):
                    raise CorpusError(
                        f"{self.path}: {name} has shape {values.shape}, but there are {self.rows} "
                        "rows; write one entry for each row"
                    )
            order = np.asarray(columns, dtype=np.int64)
            in_order = np.array_equal(order, np.arange(self.width))
            for start, part in self._parts(block_rows(self.width), wanted):
                stop = start + len(part)
                X = as_float32(part if in_order else part[:, order])
                held = {name: values[start:stop].tolist() for name, values in beside.items()}
                yield Block(start, np.ascontiguousarray(X), held)


def _plain(values: np.ndarray) -> np.ndarray:
    """Bytes as text, a column or a row of one as a list."""
    if values.ndim == 2 and 1 in values.shape:
        values = values.ravel()
    return np.char.decode(values, "utf-8") if values.dtype.kind == "S" else values


class Npy(_Matrix):
    """A matrix that numpy wrote, mapped into memory."""

    def __init__(self, path: Path) -> None:
        self._values = np.load(path, mmap_mode="r", allow_pickle=False)
        super().__init__(path, self._values.shape, self._values.dtype, (), None)

    def _parts(self, rows: int, wanted: np.ndarray | None) -> Iterator[tuple[int, np.ndarray]]:
        for start in range(0, len(self._values), rows):
            if holds(wanted, start, rows):
                yield start, np.array(self._values[start : start + rows])

    def _side(self, name: str) -> np.ndarray:
        raise CorpusError(
            f"{self.path}: has nothing beside its matrix, so no {name!r}; use .npz or HDF5 to "
            "store both in one file"
        )


class Npz(_Matrix):
    """Arrays that numpy wrote into one zip file; the matrix is read on and on, not at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with zipfile.ZipFile(path) as archive:
            headers = {
                name.removesuffix(".npy"): self._header(archive, name)
                for name in archive.namelist()
                if name.endswith(".npy")
            }
        shapes = {name: shape for name, (shape, _, _) in headers.items()}
        self._key = _matrix_key(path, shapes)
        shape, self._fortran, self._dtype = headers[self._key]
        named = next((name for name in _COLUMN_NAMES if name in headers), None)
        sides = [name for name in headers if name not in (self._key, named)]
        names = tuple(map(str, _plain(self._side(named)))) if named else None
        super().__init__(path, shape, self._dtype, sides, names)

    @staticmethod
    def _header(archive: zipfile.ZipFile, name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
        with archive.open(name) as member:
            shape, fortran, dtype = _npy_header(member)
            told = math.prod(shape) * dtype.itemsize
            if member.tell() + told != archive.getinfo(name).file_size:
                raise ValueError(f"{name} is not as long as its header says")
            return shape, fortran, dtype

    def _parts(self, rows: int, wanted: np.ndarray | None) -> Iterator[tuple[int, np.ndarray]]:
        if self._fortran:
            whole = self._side(self._key)
            for start in range(0, len(whole), rows):
                yield start, whole[start : start + rows]
            return
        assert self.rows is not None
        with zipfile.ZipFile(self.path) as archive, archive.open(f"{self._key}.npy") as member:
            _npy_header(member)
            for start in range(0, self.rows, rows):
                count = min(rows, self.rows - start)
                content = member.read(count * self.width * self._dtype.itemsize)
                if holds(wanted, start, count):
                    part = np.frombuffer(content, self._dtype)
                    yield start, part.reshape(count, self.width)

    def _side(self, name: str) -> np.ndarray:
        with np.load(self.path, allow_pickle=False) as arrays:
            values: np.ndarray = arrays[name]
        return values


def _npy_header(member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether columns stand together, and dtype; the stream then stands at the values."""
    version = np.lib.format.read_magic(member)
    read = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    shape, fortran, dtype = read(member)
    return shape, fortran, dtype


class Hdf5(_Matrix):
    """A matrix in an HDF5 file, with the datasets beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with h5py.File(path, "r") as file:
            shapes: dict[str, tuple[int, ...]] = {}

            def note(name: str, node: h5py.HLObject) -> None:
                if isinstance(node, h5py.Dataset) and node.shape is not None:
                    # Links into other files are not followed, and so are not met here.
                    if node.external or node.is_virtual:
                        raise CorpusError(
                            f"{path}: {name} keeps its values in other files, which are not read; "
                            "copy them into this one: h5repack"
                        )
                    shapes[name] = node.shape

            file.visititems(note)
            self._key = _matrix_key(path, shapes)
            folder = self._key.rpartition("/")[0]
            prefix = f"{folder}/" if folder else ""
            named = next((prefix + name for name in _COLUMN_NAMES if prefix + name in shapes), None)
            shape, dtype = file[self._key].shape, file[self._key].dtype
        sides = [name for name in shapes if name not in (self._key, named)]
        names = tuple(map(str, _plain(self._side(named)).tolist())) if named else None
        super().__init__(path, shape, dtype, sides, names)

    def _parts(self, rows: int, wanted: np.ndarray | None) -> Iterator[tuple[int, np.ndarray]]:
        with h5py.File(self.path, "r") as file:
            matrix = file[self._key]
            for start in range(0, len(matrix), rows):
                if holds(wanted, start, rows):
                    yield start, matrix[start : start + rows]

    def _side(self, name: str) -> np.ndarray:
        with h5py.File(self.path, "r") as file:
            dataset = file[name]
            values = dataset.asstr()[()] if h5py.check_string_dtype(dataset.dtype) else dataset[()]
        return np.asarray(values)


def _matrix_key(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Which array holds the rows: by its name, or the only one of two axes."""
    matrices = [name for name, shape in shapes.items() if len(shape) == 2 and shape[1] > 1]
    usual = [name for name in matrices if name.rpartition("/")[2] in _MATRIX_NAMES]
    found = usual if len(usual) == 1 else matrices
    if len(found) != 1:
        held = ", ".join(f"{name} {shape}" for name, shape in shapes.items()) or "nothing"
        raise CorpusError(
            f"{path}: holds {held}, and it is unclear which of them are the rows; call that matrix "
            "X"
        )
    return found[0]


def read_array_file(path: Path) -> list[Any]:
    """The values of a .npy file of one axis, or the lines of a text file of one column."""
    with readable(path):
        if path.suffix.lower() == ".npy":
            values = _plain(np.load(path, allow_pickle=False))
            if values.ndim != 1:
                raise CorpusError(
                    f"{path}: holds an array of shape {values.shape}, not one column; save one "
                    "value for each row"
                )
            listed: list[Any] = values.tolist()
            return listed
        with path.open(encoding="utf-8-sig") as stream:
            return [line.strip() for line in stream if line.strip()]
