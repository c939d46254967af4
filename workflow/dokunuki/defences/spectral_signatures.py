"""Spectral Signatures (Tran et al., NeurIPS 2018, algorithm 1), in two representations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dokunuki.defences.filtering import GOODWARE, Filter
from dokunuki.defences.hidden_representation import hidden_representation
from dokunuki.defences.important_features import ImportantFeaturesFilter

if TYPE_CHECKING:
    from collections.abc import Callable


def spectral_outliers(rows: np.ndarray, removed: float, seed: int) -> np.ndarray:
    """The `removed` percent of the rows (n, k) with the largest outlier scores, bool (n,).

    The score is the squared projection of the centred row on the first right singular vector of
    all centred rows.
    """
    from sklearn.decomposition import PCA

    scores = np.abs(PCA(1, random_state=seed).fit_transform(rows)[:, 0])
    return np.asarray(scores > np.percentile(scores, 100 - removed))


@dataclass(eq=False, repr=False)
class SpectralSignaturesOfFeatures(ImportantFeaturesFilter):
    """Spectral Signatures as Severi et al. adapted them (USENIX Security 2021, section 7).

    The representation is the most important features of the goodware rows, scaled to [-1, 1].
    `removed` percent of the goodware rows go, whether there is poison or not: the authors' 15,
    which is 1.5 times an assumed 10 % of poison among the goodware.
    """

    removed: float = 15.0

    def _outliers(self, goodware: np.ndarray, rows: int) -> np.ndarray:
        from sklearn.preprocessing import minmax_scale

        return spectral_outliers(minmax_scale(goodware, (-1, 1)), self.removed, self._random_state)


@dataclass(eq=False, repr=False)
class SpectralSignatures(Filter):
    """Spectral Signatures of hidden activations, as published, of the goodware rows.

    The representation is that of the last hidden layer of a classifier like the victim's, trained
    on the contaminated rows (one training); for a classifier without hidden layers it is the
    standardised rows. `removed` is in percent of the goodware rows: the paper's 1.5 times the
    largest share of poison that is to be expected in a class. The paper filters every class; here,
    as Severi et al. do, the one that an attacker of a malware detector aims at.
    """

    classifier: Callable[[], Any] | None = None
    removed: float = 15.0
    seed: int = 0
    threads: int = 1

    def _suspicious(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        goodware = np.flatnonzero(y == GOODWARE)
        rows = hidden_representation(self.classifier, X, y)[goodware]
        suspicious = np.zeros(len(X), dtype=bool)
        suspicious[goodware] = spectral_outliers(rows, self.removed, self._random_state)
        return suspicious
