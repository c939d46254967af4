"""Standardising raw rows by the mean and variance of the (contaminated) training rows.

Computed in float64, block by block: file sizes and time stamps reach 2^32, beyond float32's
precision, and a second copy of the matrix in float64 would triple the memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.preprocessing import StandardScaler

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK_ROWS = 2048


def row_blocks(rows: int) -> Iterator[slice]:
    """Slices that cover `rows` rows, 2048 at a time."""
    for start in range(0, rows, _BLOCK_ROWS):
        yield slice(start, start + _BLOCK_ROWS)


def fit_scaler(X: np.ndarray) -> StandardScaler:
    """scikit-learn's StandardScaler fitted on raw rows, (n, width)."""
    scaler = StandardScaler()
    for rows in row_blocks(len(X)):
        scaler.partial_fit(X[rows].astype(np.float64))
    return scaler


def standardise(scaler: StandardScaler, X: np.ndarray) -> np.ndarray:
    """Raw rows in units of the scaler's rows, float32 (n, width)."""
    result = np.empty(X.shape, dtype=np.float32)
    for rows in row_blocks(len(X)):
        result[rows] = scaler.transform(X[rows].astype(np.float64))
    return result
