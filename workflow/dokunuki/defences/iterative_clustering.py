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


# How OPTICS marks rows that are in no cluster.
NOISE = -1


def never_absorbed(
    clusters: np.ndarray,
    losses_after: Callable[[np.ndarray], np.ndarray],
    window: float,
    stop: float,
) -> np.ndarray:
    """The rows that are left when a clean set, grown by the lowest losses, has enough of them.

    `clusters` (g,) numbers the cluster of each row; a row of noise (-1) is a cluster of its own.
    The clean set starts as the largest cluster, which is never noise. `losses_after(clean)` are the
    losses (g,) by a model that was trained on the rows of the bool mask `clean` (g,). Round by
    round, the `window` percent of all clusters, one at least, with the lowest mean loss join, until
    `stop` percent of all clusters are in. Of equals the smaller number joins, and noise last.
    Returns the others' rows, bool (g,): none where all is noise, which gives nothing to start from.
    """
    noise = clusters == NOISE
    if noise.all():
        return np.zeros(len(clusters), dtype=bool)
    names, found = np.unique(clusters[~noise], return_inverse=True)
    numbers = np.empty(len(clusters), dtype=np.int64)
    numbers[~noise] = found
    numbers[noise] = np.arange(len(names), len(names) + noise.sum())
    sizes = np.bincount(numbers)
    joining = max(1, math.ceil(window / 100 * len(sizes)))
    wanted = max(1, math.floor(stop / 100 * len(sizes)))
    clean = np.zeros(len(sizes), dtype=bool)
    clean[np.argmax(sizes[: len(names)])] = True
    while (missing := wanted - int(clean.sum())) > 0:
        means = np.bincount(numbers, losses_after(clean[numbers])) / sizes
        means[clean] = np.inf
        clean[np.argsort(means, kind="stable")[: min(joining, missing)]] = True
    return np.asarray(~clean[numbers])


@dataclass(eq=False, repr=False)
class IterativeClustering(Filter):
    """Removes the clusters of goodware rows that a model of the other rows explains worst.

    The `features` most important columns of `region`, by an entropy-criterion decision tree on all
    rows, are what goodware rows are clustered in by OPTICS. The clean set starts as the largest
    cluster with all malware rows. Again and again, a classifier is trained on it, and the `window`
    percent of the clusters with the lowest mean loss join it; when it has `stop` percent of the
    clusters, the others are removed: the paper's fixed threshold, which removes the rest of the
    clusters where there is no poison too. At most stop/window trainings of a classifier like the
    victim's, and one decision tree.

    What could not be had from the paper's own text, and is ours:

    - Rows that OPTICS calls noise are scored row by row, each as a cluster of its own, and are
      never what the clean set starts from. They are in no dense region, so that nothing is known of
      one of them by the others. All of them as one cluster would be the largest at a thousand rows,
      and half of the goodware would be trusted unseen; chunks of them would share out the poison.
      Where all is noise, nothing is removed.
    - Columns which an attacker cannot set are left aside.
    - OPTICS's `min_samples` and the smallest cluster are shares of the goodware rows (`neighbours`,
      in percent), since the paper's number is for its many more rows.
    - The number of features.

    The paper's second way to tell, by the change of the loss, and its patching of suspected rows in
    the place of removing them are left out.

    After `fit_resample`, beside `sample_indices_`: `clusters_` (how many OPTICS found), `noise_`
    (rows in none of them) and `trainings_`.
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
        self.noise_ = int((clusters == NOISE).sum())
        self.clusters_ = len(np.unique(clusters[clusters != NOISE]))
        self.trainings_ = 0

        def losses_after(clean: np.ndarray) -> np.ndarray:
            training = y != GOODWARE
            training[goodware[clean]] = True
            self.trainings_ += 1
            return self._losses(X[training], y[training], X[goodware])

        suspicious = np.zeros(len(X), dtype=bool)
        suspicious[goodware] = never_absorbed(clusters, losses_after, self.window, self.stop)
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
