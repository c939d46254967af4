"""STRIP for rows of numbers: triggers are detected when rows are scored (Gao et al., ACSAC 2019).

"STRIP: A Defence Against Trojan Attacks on Deep Neural Networks" superimposes other images on an
input. What an ordinary input is taken for then changes with them. A trigger shows through and
outweighs them: a verdict that stays as it is, whatever is superimposed, gives it away.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from dokunuki.defences.classifier_training import ClassifierTraining
from dokunuki.defences.filtering import GOODWARE
from dokunuki.errors import ConfigError, DokunukiError
from dokunuki.parts.estimator import checked_rows
from dokunuki.seeding import generator
from dokunuki.storage.row_blocks import row_blocks

if TYPE_CHECKING:
    from dokunuki.corpus.layout import FeatureLayout

# Of a normal distribution, what its median absolute deviation is multiplied by.
_DEVIATIONS = 1 / NormalDist().inv_cdf(0.75)
_SMALLEST = 1e-6
# Mixtures that are scored at a time, and training rows that the threshold is taken from at most.
_BATCH = 4096
_ROWS = 2000


@dataclass(eq=False, repr=False)
class SuperimposedRows(ClassifierTraining):
    """Trains a classifier as it is, and calls malware what passes for goodware by a trigger.

    A row that the classifier calls goodware is mixed with `donors` training rows labelled malware,
    drawn by `seed`: the columns of `region` are the row's own, and all others the donor's. Without
    a trigger, such a mixture, which is malware in all but a few columns, is called malware. With a
    trigger, all mixtures are called goodware. The mean probability of malware over the mixtures is
    the row's measure. Below `threshold_` the verdict is unnaturally stable, and the row is called
    malware, with probability 1. Rows that the classifier calls malware are left to it.

    The threshold allows for a share of `false_alarms` among goodware, in percent. As in the paper,
    it is read off a normal distribution, which is fitted there to the entropies of clean inputs.
    There are none here. So it is fitted to the logits of the measure of training rows, labelled
    goodware and called so, by their median and median absolute deviation: poison among them moves
    these little.

    Also ours: values are replaced and not added up, since the sum of two counts or hashes means
    nothing, and the columns of `region` are kept whole, since half a trigger may not work. Donors
    are malware, and the measure is a mean and not an entropy, since of two verdicts only one is
    suspicious. 32 donors instead of 100 are for speed.

    It cannot see a trigger in columns outside of `region`. Where a region decides much by itself,
    as `all` does, the measure of goodware is low too, and nothing stands out.

    After `fit` or `load`: `classifier_`, `donors_` float32 (donors, width), `threshold_`.
    """

    layout: FeatureLayout
    estimator: Any = None
    region: str = "non_hashed"
    donors: int = 32
    false_alarms: float = 1.0
    seed: int = 0

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Train on standardised rows, float32 (n, width), and labels, 0 goodware and 1 malware.

        Raises ConfigError for a parameter out of range or an unknown region, DokunukiError where
        one of the labels is missing.
        """
        self._check_parameters()
        X, y = checked_rows(X, self.layout.width), np.asarray(y)
        malware, goodware = np.flatnonzero(y != GOODWARE), np.flatnonzero(y == GOODWARE)
        if not len(malware) or not len(goodware):
            raise DokunukiError(
                f"SuperimposedRows needs rows of both classes, but got {len(goodware)} goodware "
                f"and {len(malware)} malware rows; give it rows of both"
            )
        self.classifier_ = self.estimator.fit(X, y)
        draw = generator(self.seed, "superimposed rows")
        self.donors_ = X[draw.choice(malware, self.donors, replace=len(malware) < self.donors)]
        some = np.sort(draw.permutation(goodware)[:_ROWS])
        passing = X[some[self._malware(X[some]) < 0.5]]
        self.threshold_ = self._threshold(self.stability(passing)) if len(passing) else 0.0
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities of both classes, (n, 2); each row by itself."""
        X = checked_rows(X, self.layout.width)
        probabilities = super().predict_proba(X).copy()
        passing = np.flatnonzero(probabilities[:, 1] < 0.5)
        triggered = passing[self.stability(X[passing]) < self.threshold_]
        probabilities[triggered] = [0, 1]
        return probabilities

    def stability(self, X: np.ndarray) -> np.ndarray:
        """The mean probability of malware over the mixtures of each row, (n,); low is stable."""
        own = self.layout.columns(self.region)
        means = np.empty(len(X))
        for rows in row_blocks(len(X), max(1, _BATCH // self.donors)):
            mixed = np.tile(self.donors_, (len(X[rows]), 1))
            mixed[:, own] = np.repeat(X[rows][:, own], self.donors, axis=0)
            scores = self._malware(mixed)
            means[rows] = scores.reshape(-1, self.donors).mean(axis=1)
        return means

    def _malware(self, X: np.ndarray) -> np.ndarray:
        return np.asarray(self.classifier_.predict_proba(X)[:, 1], dtype=np.float64)

    def _threshold(self, means: np.ndarray) -> float:
        clipped = np.clip(means, _SMALLEST, 1 - _SMALLEST)
        logits = np.log(clipped / (1 - clipped))
        middle = np.median(logits)
        deviation = _DEVIATIONS * np.median(np.abs(logits - middle))
        lowest = middle + NormalDist().inv_cdf(self.false_alarms / 100) * deviation
        return float(1 / (1 + np.exp(-lowest)))

    def _check_parameters(self) -> None:
        if self.donors < 1:
            raise ConfigError(f"donors: {self.donors!r} must be at least 1")
        if not 0 < self.false_alarms < 50:
            raise ConfigError(f"false_alarms: {self.false_alarms!r} must be in (0, 50) percent")

    def _fitted_arrays(self) -> dict[str, np.ndarray]:
        return super()._fitted_arrays() | {"donors": self.donors_}

    def _fitted_facts(self) -> dict[str, Any]:
        return super()._fitted_facts() | {"threshold": self.threshold_}

    def _restore(self, arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
        self.donors_ = arrays.pop("donors")
        self.threshold_ = facts["threshold"]
        super()._restore(arrays, facts)
