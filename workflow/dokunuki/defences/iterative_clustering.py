"""Iterative scoring of clusters (Severi et al., MILCOM 2025, arXiv 2407.08159, algorithm 1)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from dokunuki.defences.filtering import GOODWARE, Filter, goodware_losses
from dokunuki.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dokunuki.corpus.layout import FeatureLayout


def never_absorbed(
    clusters: np.ndarray,
    losses_after: Callable[[np.ndarray], np.ndarray],
    window: float,
    stop: float,
) -> np.ndarray:
    """The clusters that are left when a clean set, grown by the lowest losses, has enough of them.

    `clusters` (g,) numbers the cluster of each row. The clean set starts as the largest cluster.
    `losses_after(clean)` are the losses (g,) by a model that was trained on the rows of the bool
    mask `clean` (g,). Round by round, the `window` percent of all clusters, one at least, with the
    lowest mean loss join, until `stop` percent of all clusters are in. Of equals the smaller number
    joins. Returns the numbers of the others.
    """
    names, numbers, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
    joining = max(1, math.ceil(window / 100 * len(names)))
    wanted = max(1, math.floor(stop / 100 * len(names)))
    clean = np.zeros(len(names), dtype=bool)
    clean[np.argmax(sizes)] = True
    while (missing := wanted - int(clean.sum())) > 0:
        means = np.bincount(numbers, losses_after(clean[numbers])) / sizes
        means[clean] = np.inf
        clean[np.argsort(means, kind="stable")[: min(joining, missing)]] = True
    return np.asarray(names[~clean])


@dataclass(eq=False, repr=False)
class IterativeClustering(Filter):
    """Removes the clusters of goodware rows that a model of the other rows explains worst.

    The `features` most important columns of `region`, by an entropy-criterion decision tree on all
    rows, are what goodware rows are clustered in by OPTICS; what it calls noise counts as one more
    cluster. The clean set starts as the largest cluster with all malware rows. Again and again, a
    classifier is trained on it, and the `window` percent of the clusters with the lowest mean loss
    join it; when it has `stop` percent of the clusters, the others are removed: the paper's fixed
    threshold, which removes the rest of the clusters where there is no poison too. At most
    stop/window trainings of a classifier like the victim's, and one decision tree.

    What could not be had from the paper's own text, and is read into it: that noise is a cluster;
    that columns which an attacker cannot set are left aside; OPTICS's `min_samples` and the
    smallest cluster as shares of the goodware rows (`neighbours`, in percent), since the paper's
    number is for its many more rows; the number of features. Its second way to tell, by the change
    of the loss, and its patching of suspected rows in the place of removing them are left out.

    After `fit_resample`, beside `sample_indices_`: `clusters_` (the number found, noise included)
    and `trainings_`.
    """

    # OPTICS asks for that many in a neighbourhood.
    fewest_rows: ClassVar[int] = 2

    layout: FeatureLayout
    classifier: Callable[[], Any] | None = None
    region: str = "non_hashed"
    features: int = 16
    neighbours: float = 1.0
    window: float = 5.0
    stop: float = 80.0
    seed: int = 0
    threads: int = 1

    def _suspicious(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        goodware = np.flatnonzero(y == GOODWARE)
        clusters = self._clusters(X[np.ix_(goodware, self._important_columns(X, y))])
        self.clusters_ = len(np.unique(clusters))
        self.trainings_ = 0

        def losses_after(clean: np.ndarray) -> np.ndarray:
            training = y != GOODWARE
            training[goodware[clean]] = True
            self.trainings_ += 1
            return self._losses(X[training], y[training], X[goodware])

        left = never_absorbed(clusters, losses_after, self.window, self.stop)
        suspicious = np.zeros(len(X), dtype=bool)
        suspicious[goodware] = np.isin(clusters, left)
        return suspicious

    def _important_columns(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        from sklearn.tree import DecisionTreeClassifier

        columns = self.layout.columns(self.region)
        tree = DecisionTreeClassifier(criterion="entropy", random_state=self._random_state)
        importances = tree.fit(X[:, columns], y).feature_importances_
        return np.asarray(columns[np.argsort(-importances, kind="stable")[: self.features]])

    def _clusters(self, rows: np.ndarray) -> np.ndarray:
        from sklearn.cluster import OPTICS

        optics = OPTICS(
            min_samples=max(2, int(self.neighbours / 100 * len(rows))), n_jobs=self.threads
        )
        with np.errstate(divide="ignore"):  # of rows that are equal, at a distance of 0
            return np.asarray(optics.fit_predict(rows))

    def _losses(self, X: np.ndarray, y: np.ndarray, goodware: np.ndarray) -> np.ndarray:
        """The losses of goodware rows by a new classifier trained on rows X with labels y."""
        if self.classifier is None:
            raise ConfigError(
                "IterativeClustering needs `classifier`, a function that gives a new unfitted "
                "classifier"
            )
        return goodware_losses(self.classifier().fit(X, y), goodware)
