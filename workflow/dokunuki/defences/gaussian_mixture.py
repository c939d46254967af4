"""Outliers of a Gaussian mixture of SHAP values, after the public program gmm-mahal.

The program (tebenia/gmm-mahal on GitHub; no paper of it was found) explains LightGBM's verdicts on
the rows labelled goodware, compresses the SHAP values and removes those rows that lie farthest from
the middle of their own kind. Its methods and values are used unless another is named.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dokunuki.defences.boosted_trees import contributions, fit_trees
from dokunuki.defences.filtering import GOODWARE, Filter
from dokunuki.errors import ConfigError

_REGULARISATION = 1e-6
_MOST_STEPS = 200


@dataclass(eq=False, repr=False)
class GaussianMixtureFilter(Filter):
    """Removes the `removed` percent of the goodware rows that are strangest among their kind.

    LightGBM is trained on the contaminated rows (one training). Each goodware row is represented by
    its exact SHAP values, standardised by column and compressed by PCA to `components` numbers. A
    Gaussian mixture with diagonal covariances is fitted to these, of 1 to `kinds` components, as
    many as the Bayesian information criterion likes best, each the best of `starts`
    initialisations. A row is scored by its squared Mahalanobis distance to the component that it
    belongs to, relative to the distances of that component's rows.

    What is ours, and rests on no measurement: a component that holds less than `smallest` percent
    of the goodware is no kind of goodware but may be poison, and its rows belong to the nearest of
    the others. In the program each row belongs to its likeliest component, so that poison which
    makes a component of its own lies in the middle of it and is not strange. Distances are compared
    by their median and median absolute deviation instead of mean and standard deviation, which far
    rows would distort. `removed` is 15 and not 1: as in Spectral Signatures, 1.5 times an assumed
    10 % of poison among the goodware, which `smallest` assumes too. The trees are those of the
    other filters here, with 63 bins.

    After `fit_resample`, beside `sample_indices_`: `scores_` float64 (g,) of the goodware rows, in
    order, and `kinds_`, how many components count as kinds. Where no tree splits, as with a few
    rows, all scores are 0, `kinds_` is 0, and nothing is removed.
    """

    # Of a single row there is no spread.
    fewest_rows: ClassVar[int] = 2

    components: int = 50
    kinds: int = 10
    starts: int = 3
    smallest: float = 10.0
    removed: float = 15.0
    seed: int = 0
    threads: int = 1

    def _suspicious(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        self._check_parameters()
        goodware = np.flatnonzero(y == GOODWARE)
        suspicious = np.zeros(len(X), dtype=bool)
        rows = self._representation(X, y, goodware)
        self.kinds_, self.scores_ = 0, np.zeros(len(goodware))
        if rows.shape[1]:
            self.scores_ = self._scores(rows)
            count = round(self.removed / 100 * len(goodware))
            strangest = np.argsort(-self.scores_, kind="stable")[:count]
            suspicious[goodware[strangest]] = True
        return suspicious

    def _representation(self, X: np.ndarray, y: np.ndarray, goodware: np.ndarray) -> np.ndarray:
        """Compressed SHAP values of the goodware rows, float64 (g, at most components)."""
        from sklearn.decomposition import PCA

        values = contributions(fit_trees(X, y, self._random_state, self.threads), X[goodware])
        spread = values.std(axis=0)
        told = spread > 0
        if not told.any():
            return values[:, told]
        values = (values[:, told] - values[:, told].mean(axis=0)) / spread[told]
        count = min(self.components, *values.shape)
        return np.asarray(PCA(count, random_state=self._random_state).fit_transform(values))

    def _scores(self, rows: np.ndarray) -> np.ndarray:
        from sklearn.mixture import GaussianMixture

        mixtures = [
            GaussianMixture(
                count,
                covariance_type="diag",
                reg_covar=_REGULARISATION,
                n_init=self.starts,
                max_iter=_MOST_STEPS,
                random_state=self._random_state,
            ).fit(rows)
            for count in range(1, min(self.kinds, len(rows)) + 1)
        ]
        best = min(mixtures, key=lambda mixture: float(mixture.bic(rows)))
        sizes = np.bincount(best.predict(rows), minlength=best.n_components)
        # The largest is a kind in any case, also where `kinds` leaves none of `smallest` percent.
        large = sizes >= min(self.smallest / 100 * len(rows), sizes.max())
        distances = np.stack(
            [
                (np.square(rows - mean) / variances).sum(axis=1)
                for mean, variances in zip(
                    best.means_[large], best.covariances_[large], strict=True
                )
            ]
        )
        self.kinds_ = len(distances)
        own = distances.argmin(axis=0)
        scores = distances.min(axis=0)
        for kind in range(self.kinds_):
            members = own == kind
            if members.any():
                scores[members] -= np.median(scores[members])
                spread = np.median(np.abs(scores[members]))
                scores[members] /= spread if spread > 0 else 1
        return np.asarray(scores)

    def _check_parameters(self) -> None:
        for name in ("components", "kinds", "starts"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: {getattr(self, name)!r} must be at least 1")
        for name in ("smallest", "removed"):
            if not 0 < getattr(self, name) < 100:
                raise ConfigError(f"{name}: {getattr(self, name)!r} must be in (0, 100) percent")
