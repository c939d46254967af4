"""No Defence: the rows as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from dokunuki.parts.estimator import Transformer
from dokunuki.parts.saving import SavedAsTensors

if TYPE_CHECKING:
    import numpy as np


class NoDefence(SavedAsTensors, Transformer):
    """Gives the classifier all columns of the contaminated, standardised rows."""

    def fit(self, X: np.ndarray, y: np.ndarray | None = None) -> Self:
        """Learn nothing."""
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """The rows themselves, (n, width)."""
        return X
