"""Deletion: the classifier sees only the columns that no trigger can reach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np

from dokunuki.estimator import Transformer
from dokunuki.persistence import SavedAsTensors

if TYPE_CHECKING:
    from dokunuki.corpus.layout import FeatureLayout


class Deletion(SavedAsTensors, Transformer):
    """Deletes the attackable region and keeps the two byte histograms (512 columns)."""

    def __init__(self, layout: FeatureLayout) -> None:
        self.layout = layout

    def fit(self, X: np.ndarray, y: np.ndarray | None = None) -> Self:
        """Learn nothing: which columns stay is known from the layout."""
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """The undefended columns of standardised rows (n, width), (n, 512)."""
        return np.ascontiguousarray(X[:, self.layout.undefended])
