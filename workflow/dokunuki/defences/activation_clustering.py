"""Activation Clustering (Chen et al., SafeAI 2019, arXiv 1811.03728)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from dokunuki.defences.filtering import Filter
from dokunuki.defences.hidden_representation import hidden_representation

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(eq=False, repr=False)
class ActivationClustering(Filter):
    """Removes the smaller of two clusters of a class's hidden activations, where they stand apart.

    A classifier like the victim's is trained on the contaminated rows (one training). For each
    label, the activations of its last hidden layer are reduced to `components` independent
    components and split in two by k-means: here, whitened principal components, since independent
    components are these rotated, and a rotation changes no distance. The smaller cluster is taken
    for poison when it holds at most `largest_share` percent of the class and the silhouette score
    of the split is at least `silhouette`: the paper's second and third ways to tell, both at once
    (it names silhouettes of 0.10 to 0.15 as the border; the share is our reading). Its first way,
    exclusionary reclassification, trains one more model per cluster and is left out. For a
    classifier without hidden layers the standardised rows stand for the activations.

    After `fit_resample`, beside `sample_indices_`: `silhouettes_` and `shares_` (percent of the
    smaller cluster), by label.
    """

    # Two clusters of fewer have no silhouette.
    fewest_rows: ClassVar[int] = 3

    classifier: Callable[[], Any] | None = None
    components: int = 10
    largest_share: float = 35.0
    silhouette: float = 0.1
    seed: int = 0
    threads: int = 1

    def _suspicious(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        activations = hidden_representation(self.classifier, X, y)
        self.silhouettes_: dict[int, float] = {}
        self.shares_: dict[int, float] = {}
        suspicious = np.zeros(len(X), dtype=bool)
        for label in np.unique(y).tolist():
            members = np.flatnonzero(y == label)
            suspicious[members] = self._poisoned(activations[members], label)
        return suspicious

    def _poisoned(self, activations: np.ndarray, label: int) -> np.ndarray:
        from sklearn.cluster import KMeans
        from sklearn.decomposition import PCA
        from sklearn.metrics import silhouette_score
        from threadpoolctl import threadpool_limits

        components = min(self.components, *activations.shape)
        pca = PCA(components, whiten=True, random_state=self._random_state)
        rows = pca.fit_transform(activations.astype(np.float64))
        # So many starts, since few miss a small cluster among whitened components. One thread:
        # several add up the centres in any order, and so differ in the last bits.
        with threadpool_limits(1):
            split = KMeans(2, n_init=100, random_state=self._random_state).fit_predict(rows)
        smaller = split == np.argmin(np.bincount(split, minlength=2))
        if not smaller.any() or smaller.all():
            self.shares_[label], self.silhouettes_[label] = 0.0, 0.0
            return np.zeros(len(rows), dtype=bool)  # all activations are equal
        self.shares_[label] = 100 * float(smaller.mean())
        self.silhouettes_[label] = float(silhouette_score(rows, split))
        apart = self.silhouettes_[label] >= self.silhouette
        return np.asarray(smaller & (apart and self.shares_[label] <= self.largest_share))
