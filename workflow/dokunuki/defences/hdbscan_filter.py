"""Filtering by HDBSCAN clusters and their silhouettes (Severi et al., USENIX Security 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dokunuki.defences.important_features import ImportantFeaturesFilter
from dokunuki.seeding import generator


@dataclass(eq=False, repr=False)
class HDBSCANFilter(ImportantFeaturesFilter):
    """Thins out tight, small clusters of goodware rows at random.

    The features are scaled to [-1, 1] and clustered by HDBSCAN; what it calls noise counts as one
    more cluster. Each cluster has a mean silhouette. One of more than `largest_cluster` rows is not
    suspected: its silhouette is taken as -1. Silhouettes are scaled to [0, 1] over the rows, and
    each row is kept with probability 1 - silhouette + `kept`: poison, being much alike, is expected
    in small clusters with high silhouettes. `cluster`, `neighbours` (HDBSCAN's min_cluster_size and
    min_samples) and `largest_cluster` are in percent of all training rows. A single cluster has no
    silhouette: then nothing is removed.
    """

    # HDBSCAN asks for that many.
    fewest_rows: ClassVar[int] = 2

    cluster: float = 0.5
    neighbours: float = 0.1
    largest_cluster: float = 10.0
    kept: float = 0.2

    def _outliers(self, goodware: np.ndarray, rows: int) -> np.ndarray:
        from sklearn.cluster import HDBSCAN
        from sklearn.metrics import silhouette_samples
        from sklearn.preprocessing import minmax_scale

        scaled = minmax_scale(goodware, (-1, 1))
        clusters = HDBSCAN(
            min_cluster_size=max(2, int(self.cluster / 100 * rows)),
            min_samples=max(1, int(self.neighbours / 100 * rows)),
            n_jobs=self.threads,
            copy=True,
        ).fit_predict(scaled)
        _, numbers, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
        if len(sizes) < 2:
            return np.zeros(len(goodware), dtype=bool)
        silhouettes = np.bincount(numbers, silhouette_samples(scaled, clusters)) / sizes
        silhouettes[sizes > self.largest_cluster / 100 * rows] = -1
        chances = 1 - minmax_scale(silhouettes[numbers]) + self.kept
        draws = generator(self.seed, "HDBSCAN filter").random(len(goodware))
        return np.asarray(draws > chances)
