"""The base of the defences that train a classifier in their own way and score with it unchanged."""

from __future__ import annotations

from typing import Any

import numpy as np

from dokunuki.errors import ConfigError
from dokunuki.parts.building import path_of
from dokunuki.parts.estimator import Classifier
from dokunuki.parts.saving import SavedWithParts


class ClassifierTraining(SavedWithParts, Classifier):
    """Base of meta-estimators around a classifier, `estimator`, most of them around networks.

    A subclass's `fit` sets `classifier_`, the classifier as it trained it.
    """

    estimator: Any
    classifier_: Any

    @property
    def classes_(self) -> np.ndarray:
        """The two classes, (2,)."""
        self.check_fitted("classifier_")
        return np.asarray(self.classifier_.classes_)

    @property
    def device_(self) -> str:
        """The device, and the precision of a network, that the classifier was trained in."""
        self.check_fitted("classifier_")
        return str(getattr(self.classifier_, "device_", "cpu"))

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities of both classes, (n, 2), float32 where a network gives them."""
        self.check_fitted("classifier_")
        return np.asarray(self.classifier_.predict_proba(X))

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The second class (malware) where its probability is at least 0.5, else the first."""
        second = self.predict_proba(X)[:, 1] >= 0.5
        return np.asarray(self.classes_[second.astype(int)])

    def _unfitted_network(self) -> Any:  # noqa: ANN401
        """A copy of the classifier; ConfigError when it is not a network that can be trained on."""
        if not hasattr(self.estimator, "fit_more"):
            raise ConfigError(
                f"{type(self).__name__} trains networks; {path_of(self.estimator)} has no fit_more:"
                " leave the pair out with grid.restricted"
            )
        return self.estimator.unfitted()

    def _fitted_parts(self) -> list[Any]:
        self.check_fitted("classifier_")
        return [self.classifier_]

    def _restore_parts(self, parts: list[Any], facts: dict[str, Any]) -> None:
        (self.classifier_,) = parts
