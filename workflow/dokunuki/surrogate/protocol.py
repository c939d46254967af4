"""What attacks and explanations ask of a surrogate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np


class Surrogate(Protocol):
    """The attacker's model of the clean training rows: a fitted `dokunuki.detector.Detector`.

    `scaler_` is its Standardiser and `classifier_` the classifier of standardised rows. Some
    attacks need the classifier's `loss_gradient(X, y)`: the mean gradient of the binary
    cross-entropy, float64 (width,).
    """

    scaler_: Any
    classifier_: Any

    def standardise(self, X: np.ndarray) -> np.ndarray:
        """Raw rows in units of the training rows, float32 (n, width)."""

    def malware_scores(self, X: np.ndarray) -> np.ndarray:
        """The probability that each raw row is malware, float32 (n,)."""
