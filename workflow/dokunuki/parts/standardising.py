"""Standardising raw rows by the mean and variance of the (contaminated) training rows.

Computed in float64, block by block: file sizes and time stamps reach 2^32, beyond float32's
precision, and a second copy of the matrix in float64 would triple the memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np

from dokunuki.parts.estimator import Transformer
from dokunuki.parts.saving import SavedAsTensors
from dokunuki.storage.row_blocks import row_blocks
from dokunuki.storage.row_memory import row_memory

if TYPE_CHECKING:
    from typing import Any


class Standardiser(SavedAsTensors, Transformer):
    """Mean 0 and variance 1 per column over the training rows.

    Rows seen later are first clipped to the range that each column has in the training rows. Raw
    features have heavy tails, and an unseen file size or hashed count would else reach a network
    as thousands of standard deviations; training rows, and triggers made of their values, pass
    unchanged. A column that is constant in the training rows is 0 everywhere.

    After `fit`, all (width,): `mean_` and `scale_` (standard deviation, 0 for constant columns),
    float64; `minimum_` and `maximum_`, in the dtype of the rows.
    """

    def fit(self, X: np.ndarray, y: np.ndarray | None = None) -> Self:
        """Learn mean, standard deviation and range of raw rows, (n, width)."""
        total = np.zeros(X.shape[1])
        for rows in row_blocks(len(X)):
            total += X[rows].sum(axis=0, dtype=np.float64)
        self.mean_ = total / len(X)
        squares = np.zeros(X.shape[1])
        for rows in row_blocks(len(X)):
            squares += np.square(X[rows] - self.mean_).sum(axis=0)
        self.minimum_, self.maximum_ = X.min(axis=0), X.max(axis=0)
        # Not by a variance of 0: rounding leaves a constant a tiny one.
        constant = self.minimum_ == self.maximum_
        self.scale_ = np.where(constant, 0.0, np.sqrt(squares / len(X)))
        return self

    def fit_identity(self, X: np.ndarray) -> Self:
        """Learn nothing: rows as wide as X pass unchanged."""
        width = X.shape[1]
        self.mean_, self.scale_ = np.zeros(width), np.ones(width)
        self.maximum_ = np.full(width, np.inf, dtype=X.dtype)
        self.minimum_ = -self.maximum_
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Raw rows in units of the training rows, float32 (n, width)."""
        self.check_fitted("scale_")
        factor = np.divide(1.0, self.scale_, out=np.zeros_like(self.scale_), where=self.scale_ > 0)
        result = row_memory(X.shape, np.float32)
        for rows in row_blocks(len(X)):
            seen = np.clip(X[rows], self.minimum_, self.maximum_)
            result[rows] = (seen - self.mean_) * factor
        return result

    def _fitted_arrays(self) -> dict[str, np.ndarray]:
        self.check_fitted("scale_")
        return {
            "mean": self.mean_,
            "scale": self.scale_,
            "minimum": self.minimum_,
            "maximum": self.maximum_,
        }

    def _restore(self, arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
        self.mean_, self.scale_ = arrays["mean"], arrays["scale"]
        self.minimum_, self.maximum_ = arrays["minimum"], arrays["maximum"]
