"""A matrix that stays in its file: jobs read the rows and columns that they need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np

from dokunuki.storage.row_blocks import row_blocks
from dokunuki.storage.row_memory import row_memory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class StoredMatrix:
    """Rows of a matrix in an HDF5 file, read whenever, and only where, it is indexed.

    `matrix[rows]` takes a slice, a mask or indices; `matrix[rows, columns]` a slice of rows and a
    slice or indices of columns. Both give a numpy array in memory of its own, as `np.asarray` does
    of the whole. Raises DataFileError when the file is missing or damaged, also when it is indexed.
    """

    def __init__(self, path: str | Path, name: str) -> None:
        # Here and below: attacks name this class, and whoever parses a study must not pay for HDF5.
        from dokunuki.storage.arrays import open_arrays, read_array

        self._path = path
        self._name = name
        with open_arrays(path) as file:
            self._none = read_array(file, name, slice(0))
            self._positions = np.arange(len(file[name]))

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the values."""
        return self._none.dtype

    @property
    def ndim(self) -> int:
        """The number of axes: 2, when it is a matrix."""
        return self._none.ndim

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""
        return (len(self._positions), *self._none.shape[1:])

    def __len__(self) -> int:
        """The number of rows."""
        return len(self._positions)

    def only(self, rows: np.ndarray) -> Self:
        """The same without the other rows (a mask or indices); nothing is read."""
        chosen = object.__new__(type(self))
        chosen.__dict__ |= {**self.__dict__, "_positions": self._positions[rows]}
        return chosen

    def __getitem__(self, key: Any) -> np.ndarray:  # noqa: ANN401 - as numpy
        """The rows asked for, or some columns of them."""
        from dokunuki.storage.arrays import open_arrays, read_array

        rows, columns = key if isinstance(key, tuple) else (key, slice(None))
        if isinstance(key, tuple) and not isinstance(rows, slice):
            raise IndexError("a stored matrix takes a slice of rows where columns are given")
        positions = self._positions[rows]
        result = row_memory((len(positions), *self._none[:, columns].shape[1:]), self.dtype)
        with open_arrays(self._path) as file:
            # Block by block: HDF5 is slow at picking, and the whole need not fit into memory.
            for block in row_blocks(len(file[self._name])):
                wanted = np.flatnonzero((positions >= block.start) & (positions < block.stop))
                if len(wanted):
                    stored = read_array(file, self._name, block)
                    result[wanted] = stored[positions[wanted] - block.start][:, columns]
        return result

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """All rows in their order, some at a time: their places, and the rows (m, width).

        Each part of the file is read once. Rows that `only` put into another order, or repeated,
        come as one.
        """
        from dokunuki.storage.arrays import open_arrays, read_array

        if np.any(self._positions[1:] <= self._positions[:-1]):
            yield slice(0, len(self)), self[:]
            return
        with open_arrays(self._path) as file:
            for block in row_blocks(len(file[self._name])):
                start, stop = np.searchsorted(self._positions, [block.start, block.stop])
                if start < stop:
                    stored = read_array(file, self._name, block)
                    whole = stop - start == len(stored)
                    places = self._positions[start:stop] - block.start
                    yield slice(int(start), int(stop)), stored if whole else stored[places]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:  # noqa: ANN401
        """All rows."""
        return self[:].astype(dtype or self.dtype, copy=False)


Matrix: TypeAlias = np.ndarray | StoredMatrix


def only_rows(matrix: Matrix, rows: np.ndarray) -> Matrix:
    """Some rows (a mask or indices) of a matrix, left in its file where it is in one."""
    return matrix.only(rows) if isinstance(matrix, StoredMatrix) else matrix[rows]


def blocks_of(matrix: Matrix, rows: np.ndarray | None = None) -> Iterator[tuple[slice, np.ndarray]]:
    """The rows of a matrix, or some (rising positions), in order, some at a time.

    Given are their places among those asked for, and the rows (m, width). They may lie in the
    matrix' own memory: they are to be read only.
    """
    if isinstance(matrix, StoredMatrix):
        yield from (matrix if rows is None else matrix.only(rows)).blocks()
        return
    for block in row_blocks(len(matrix) if rows is None else len(rows)):
        yield block, matrix[block if rows is None else rows[block]]
