"""Early stopping: a network is trained no longer than held-out rows profit from it.

A poisoned row of a clean-label attack is told from others by its trigger alone, and a network
learns that later than what most rows share. Stopping early therefore keeps out some of the poison,
and gives up little accuracy. The rows held out are contaminated as the others are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from dokunuki.defences.classifier_training import ClassifierTraining
from dokunuki.errors import ConfigError, DokunukiError
from dokunuki.seeding import generator


@dataclass(eq=False, repr=False)
class EarlyStopping(ClassifierTraining):
    """Trains a copy of a network classifier for as many epochs as are best on held-out rows.

    `held_out` is the share of each class's rows held out, drawn by `seed`. The epoch with the least
    loss on them decides how long the network is trained anew, on all rows.

    After `fit`: `classifier_`, `epochs_` (not after `load`).
    """

    estimator: Any = None
    held_out: float = 0.2
    seed: int = 0

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Train on standardised rows, float32 (n, width), and labels of two classes.

        Raises ConfigError for a `held_out` out of range or a classifier without network,
        DokunukiError where a class has too few rows to hold any out.
        """
        if not 0 < self.held_out < 1:
            raise ConfigError(f"held_out: {self.held_out!r} must be above 0 and below 1")
        X, y = np.asarray(X), np.asarray(y)
        watched = self._held_out(y)
        trial = self._unfitted_network()
        trial.fit(X[~watched], y[~watched], validation=(X[watched], y[watched]))
        self.epochs_ = int(np.argmin(trial.history_.validation_loss)) + 1
        classifier = self._unfitted_network().set_params(epochs=self.epochs_, tol=0.0)
        self.classifier_ = classifier.fit(X, y)
        return self

    def _held_out(self, y: np.ndarray) -> np.ndarray:
        draw = generator(self.seed, "early stopping")
        held = np.zeros(len(y), dtype=bool)
        for label in np.unique(y):
            rows = draw.permutation(np.flatnonzero(y == label))
            count = round(self.held_out * len(rows))
            if not 0 < count < len(rows):
                raise DokunukiError(
                    f"EarlyStopping: {len(rows)} rows of class {label} are too few to hold "
                    f"{self.held_out:g} of them out; at least "
                    f"{int(np.ceil(0.5 / min(self.held_out, 1 - self.held_out))) + 1} are needed"
                )
            held[rows[:count]] = True
        return held
