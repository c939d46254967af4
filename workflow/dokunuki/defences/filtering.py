"""What the filters share: the rows they suspect are left out, all others stay as they are."""

from __future__ import annotations

import numpy as np

from dokunuki.estimator import Estimator, checked_rows

GOODWARE = 0

# scikit-learn takes seeds below 2^32, LightGBM below 2^31.
_RANDOM_STATES = 2**31


class Filter(Estimator):
    """A sampler that removes rows. A subclass says which in `_suspicious`.

    Its constructor takes at least `seed`, from which all that is random is drawn, and `threads`.
    After `fit_resample`: `sample_indices_` (int64, the rows kept, ascending).
    """

    seed: int
    threads: int

    def fit_resample(self, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The standardised rows (n, width) and labels (n,) that are not suspected, in order.

        Raises ValueError for NaN, infinity, or as many labels as there are no rows for.
        """
        X, y = checked_rows(X), np.asarray(y)
        if len(X) != len(y):
            raise ValueError(f"{len(X)} rows have {len(y)} labels")
        self.sample_indices_ = np.flatnonzero(~self._suspicious(X, y)).astype(np.int64)
        return X[self.sample_indices_], y[self.sample_indices_]

    def _suspicious(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Which rows are removed, bool (n,)."""
        raise NotImplementedError

    @property
    def _random_state(self) -> int:
        return self.seed % _RANDOM_STATES
