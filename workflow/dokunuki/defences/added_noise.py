"""Added noise: the attackable columns are blurred, in training and in scoring.

A control for the autoencoder: a reconstruction that is wrong by as much, but learns nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from dokunuki.errors import ConfigError
from dokunuki.parts.estimator import Transformer, checked_rows
from dokunuki.parts.saving import SavedAsTensors
from dokunuki.seeding import generator

if TYPE_CHECKING:
    from dokunuki.corpus.layout import FeatureLayout


@dataclass(eq=False, repr=False)
class AddedNoise(SavedAsTensors, Transformer):
    """Adds normal noise of `deviation` standard deviations to the attackable columns.

    The noise of a row depends on `seed` and on the row's values alone: a row is always represented
    alike, in whatever company, and the same row in training and in testing too.
    """

    assumed_regions: ClassVar[tuple[str, ...]] = ("all",)

    layout: FeatureLayout
    deviation: float = 1.0
    seed: int = 0

    def fit(self, X: np.ndarray, y: np.ndarray | None = None) -> Self:
        """Learn nothing; raises ConfigError for a `deviation` that is not finite or negative."""
        if not 0 <= self.deviation < np.inf:
            raise ConfigError(f"deviation: {self.deviation!r} must be finite and at least 0")
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Rows of the same width and column order, float32 (n, width)."""
        result = checked_rows(X, self.layout.width).copy()
        columns = self.layout.attackable
        for row in result:
            digest = hashlib.sha256(row.tobytes()).hexdigest()
            noise = generator(self.seed, "added noise", digest).standard_normal(
                len(columns), dtype=np.float32
            )
            row[columns] += self.deviation * noise
        return result
