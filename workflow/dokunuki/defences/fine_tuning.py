"""Fine-tuning: a classifier trained on contaminated rows is trained on with clean ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from dokunuki.defences.classifier_training import ClassifierTraining
from dokunuki.errors import ConfigError
from dokunuki.parts.building import path_of
from dokunuki.parts.saving import is_lightgbm


@dataclass(eq=False, repr=False)
class CleanFineTuning(ClassifierTraining):
    """Trains the classifier on the contaminated rows, then on from there with clean rows.

    The baseline of the literature (Liu et al., "Fine-Pruning", RAID 2018), without the pruning. It
    needs rows that no attacker saw, and stands for comparison only.

    `estimator` is the classifier, and is changed itself: one with `fit_more`, as EmberNN has, is
    trained on for `epochs` at `learning_rate` (None: as it was trained before); a LightGBM
    classifier grows as many further trees as it has, fitted to what its first ones leave of the
    clean rows.

    After `fit` or `load`: `classifier_`, `classes_`, `device_` (where it ran).
    """

    estimator: Any = None  # any classifier
    epochs: int | None = None
    learning_rate: float | None = None

    def give_clean_rows(self, X: np.ndarray, y: np.ndarray) -> None:
        """Take clean rows, standardised as the training rows are, float32 (c, width)."""
        self._clean = X, np.asarray(y)

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Fit on the contaminated rows, then on the clean ones.

        Raises ConfigError when no clean rows were given, or when the classifier's training cannot
        be continued.
        """
        if len(getattr(self, "_clean", ((), ()))[1]) < 2:
            raise ConfigError(
                "CleanFineTuning: was given no clean rows; set sample.clean_rows and, in its "
                "entry of defences, ledger: {clean_rows: true}"
            )
        if not (hasattr(self.estimator, "fit_more") or is_lightgbm(self.estimator)):
            raise ConfigError(
                f"CleanFineTuning: the training of {path_of(self.estimator)} cannot be continued, "
                "since it has no fit_more; leave the pair out with grid.restricted"
            )
        self.classifier_ = self.estimator.fit(X, y)
        if hasattr(self.classifier_, "fit_more"):
            given = {"epochs": self.epochs, "learning_rate": self.learning_rate}
            changes = {name: value for name, value in given.items() if value is not None}
            self.classifier_.fit_more(*self._clean, **changes)
        else:
            self.classifier_.fit(*self._clean, init_model=self.classifier_.booster_)
        return self
