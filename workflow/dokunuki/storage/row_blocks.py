"""Going through the rows of a matrix block by block, so that a job need not hold it twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dokunuki.storage.row_memory import row_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np

_BLOCK_ROWS = 2048


def row_blocks(rows: int, size: int | None = None) -> Iterator[slice]:
    """Slices that cover `rows` rows, `size` (2048) at a time."""
    size = size or _BLOCK_ROWS
    for start in range(0, rows, size):
        yield slice(start, start + size)


def change_rows(
    X: np.ndarray, change: Callable[[np.ndarray], np.ndarray], size: int | None = None
) -> np.ndarray:
    """What `change` makes of the rows of X, `size` (2048) at a time, in the memory of X itself.

    `change` maps rows (m, width) to (m, any width), each row on its own. Where its result is wider
    than X (n, width) or of another dtype, or X is not in C order, it goes to new memory.
    """
    result = None
    for rows in row_blocks(len(X), size):
        changed = change(X[rows])
        if result is None:
            shape = (len(X), changed.shape[1])
            result = (
                # Narrower rows are packed; each lies before all rows that are still to be read.
                X.reshape(-1)[: shape[0] * shape[1]].reshape(shape)
                if X.flags.c_contiguous and changed.dtype == X.dtype and shape[1] <= X.shape[1]
                else row_memory(shape, changed.dtype)
            )
        result[rows] = changed
    return change(X) if result is None else result


def picked_rows(X: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """`X[rows]` for positions, (m,), in memory for as large a matrix (`row_memory`)."""
    result = row_memory((len(rows), *X.shape[1:]), X.dtype)
    for block in row_blocks(len(rows)):
        result[block] = X[rows[block]]
    return result
