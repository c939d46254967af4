"""Isolation Forest as a filter (Liu et al., ICDM 2008; Severi et al., USENIX Security 2021)."""

from __future__ import annotations

import numpy as np

from dokunuki.defences.important_features import ImportantFeaturesFilter


class IsolationForestFilter(ImportantFeaturesFilter):
    """Removes goodware rows that scikit-learn's IsolationForest calls outliers.

    With its defaults, as the authors use it: 100 trees of at most 256 rows each, and the paper's
    own offset as threshold, so that no share of poison is assumed.
    """

    def _outliers(self, goodware: np.ndarray, rows: int) -> np.ndarray:
        from sklearn.ensemble import IsolationForest

        forest = IsolationForest(random_state=self._random_state, n_jobs=self.threads)
        return np.asarray(forest.fit_predict(goodware) == -1)
