"""Deletion: the classifier does not see the columns in which a trigger is assumed to lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from dokunuki.errors import ConfigError
from dokunuki.parts.estimator import Transformer, checked_rows
from dokunuki.parts.saving import SavedAsTensors

if TYPE_CHECKING:
    from dokunuki.corpus.layout import FeatureLayout


@dataclass(eq=False, repr=False)
class Deletion(SavedAsTensors, Transformer):
    """Deletes a region: by default all attackable columns, which leaves the byte histograms.

    `region` (non_hashed, feasible, all, undefended) is what the defender assumes of the attacker:
    a trigger that lies in it is gone, and one outside it is untouched.
    """

    layout: FeatureLayout
    region: str = "all"

    def fit(self, X: np.ndarray, y: np.ndarray | None = None) -> Self:
        """Learn nothing: which columns stay is known from the layout.

        Raises ConfigError for an unknown region, and for one that holds all columns.
        """
        if len(self.layout.columns(self.region)) == self.layout.width:
            raise ConfigError(
                f"Deletion of the region {self.region!r} leaves no column of {self.layout.name}: "
                "say in the layout file what an attacker cannot reach (`attackable: false`), name "
                "a smaller region, or leave the defence out of the grid"
            )
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """What is left of standardised rows (n, width), in its old order: (n, 512) by default."""
        kept = np.delete(checked_rows(X), self.layout.columns(self.region), axis=1)
        return np.ascontiguousarray(kept)
