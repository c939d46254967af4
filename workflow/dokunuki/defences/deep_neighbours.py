"""Deep k-NN (Peri et al., ECCV Workshops 2020): a row whose neighbours say otherwise is removed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dokunuki.defences.filtering import GOODWARE, Filter
from dokunuki.defences.hidden_representation import hidden_representation
from dokunuki.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(eq=False, repr=False)
class DeepNeighbours(Filter):
    """Removes goodware rows most of whose nearest rows are malware, by hidden activations.

    Activations are those of a classifier like the victim's, trained on all rows (of one without
    hidden layers, the rows themselves); `neighbours` are the nearest others by Euclidean distance,
    and a row goes when more than half of them are malware. The paper removes rows of every class
    that differ from the plurality; that goodware alone is removed is ours, since what is defended
    against makes malware pass for goodware, and so is the number of neighbours.

    After `fit_resample`, beside `sample_indices_`: `malware_neighbours_`, the share of malware
    among each row's neighbours (n,).
    """

    classifier: Callable[[], Any] | None = None
    neighbours: int = 10
    seed: int = 0
    threads: int = 1

    def _suspicious(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        from sklearn.neighbors import NearestNeighbors

        if not 1 <= self.neighbours < len(X):
            raise ConfigError(
                f"DeepNeighbours: neighbours: {self.neighbours!r} must be in [1, {len(X) - 1}] for "
                f"{len(X)} rows"
            )
        activations = hidden_representation(self.classifier, X, y)
        # Without rows of its own to ask about, each row is left out of its neighbours.
        search = NearestNeighbors(n_neighbors=self.neighbours, n_jobs=self.threads)
        nearest = search.fit(activations).kneighbors(return_distance=False)
        self.malware_neighbours_ = np.asarray((y[nearest] != GOODWARE).mean(axis=1))
        return np.asarray((y == GOODWARE) & (self.malware_neighbours_ > 0.5))
