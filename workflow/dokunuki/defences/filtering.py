"""What the filters share: the rows they suspect are left out, all others stay as they are."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from dokunuki.errors import DokunukiError
from dokunuki.parts.estimator import Estimator, checked_rows

GOODWARE = 0

_SMALLEST_PROBABILITY = 1e-7

# scikit-learn takes seeds below 2^32, LightGBM below 2^31.
RANDOM_STATES = 2**31


def goodware_losses(model: Any, rows: np.ndarray) -> np.ndarray:  # noqa: ANN401 - any classifier
    """The cross-entropy of rows (g, width) with the label goodware by a fitted classifier, (g,)."""
    if hasattr(model, "losses"):  # exact where a probability rounds to 0 or 1
        losses: np.ndarray = model.losses(rows, np.full(len(rows), GOODWARE, dtype=np.int8))
        return losses
    probabilities = model.predict_proba(rows)[:, list(model.classes_).index(GOODWARE)]
    return np.asarray(-np.log(np.maximum(probabilities, _SMALLEST_PROBABILITY)))


class Filter(Estimator):
    """A sampler that removes rows. A subclass says which in `_suspicious`.

    Its constructor takes at least `seed`, from which all that is random is drawn, and `threads`.
    `fewest_rows` is the fewest rows of each class that it needs. After `fit_resample`:
    `sample_indices_` (int64, the rows kept, ascending).
    """

    fewest_rows: ClassVar[int] = 1
    seed: int
    threads: int

    def fit_resample(self, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The standardised rows (n, width) and labels (n,) that are not suspected, in order.

        Raises ValueError for NaN, infinity, or another number of labels than of rows, and
        DokunukiError for too few rows of a class.
        """
        X, y = self._checked(X, y)
        self.sample_indices_ = np.flatnonzero(~self._suspicious(X, y)).astype(np.int64)
        return X[self.sample_indices_], y[self.sample_indices_]

    def _checked(self, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows and labels as arrays, rows float32; whatever holds them is not changed."""
        X, y = checked_rows(X), np.asarray(y)
        if len(X) != len(y):
            raise ValueError(f"{len(X)} rows have {len(y)} labels")
        goodware = int((y == GOODWARE).sum())
        if min(goodware, len(y) - goodware) < self.fewest_rows:
            raise DokunukiError(
                f"{type(self).__name__} needs at least {self.fewest_rows} rows of each class, but "
                f"got {goodware} goodware and {len(y) - goodware} malware rows: give it more rows, "
                "or leave it out"
            )
        return X, y

    def _suspicious(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Which rows are removed, bool (n,)."""
        raise NotImplementedError

    @property
    def _random_state(self) -> int:
        return self.seed % RANDOM_STATES
