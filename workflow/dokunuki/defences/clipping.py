"""Clipping: extreme attackable values are cut to a limit, as a saturating activation does.

A control for the autoencoder. A trigger's values lie far out, and an activation that saturates or
cuts cannot pass them on. Where clipping does as well as the autoencoder, the saturation is what
defends, and not the reconstruction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from dokunuki.errors import ConfigError
from dokunuki.parts.estimator import Transformer, checked_rows
from dokunuki.parts.saving import SavedAsTensors

if TYPE_CHECKING:
    from dokunuki.corpus.layout import FeatureLayout


@dataclass(eq=False, repr=False)
class Clipping(SavedAsTensors, Transformer):
    """Clips the attackable columns of standardised rows to `limit` standard deviations."""

    assumed_regions: ClassVar[tuple[str, ...]] = ("all",)

    layout: FeatureLayout
    limit: float = 3.0

    def fit(self, X: np.ndarray, y: np.ndarray | None = None) -> Self:
        """Learn nothing; raises ConfigError for a `limit` that is not positive."""
        if not self.limit > 0:
            raise ConfigError(f"limit: {self.limit!r} must be above 0")
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Rows of the same width and column order, float32 (n, width)."""
        result = checked_rows(X, self.layout.width).copy()
        columns = self.layout.attackable
        result[:, columns] = np.clip(result[:, columns], -self.limit, self.limit)
        return result
