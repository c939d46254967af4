"""What Severi et al.'s filters share: goodware rows, seen in the few features that matter most.

This is how they adapt anomaly detectors to malware features (USENIX Security 2021, section 7;
values that the text leaves open are those of the authors' published configuration): only rows
labelled goodware are suspected, and of their features only the 32 most important of those that an
attacker can set, by the sum of absolute SHAP values. They explain a model of *clean* rows, or of a
fifth of the rows taken to be safe. Nobody has such rows here: the model is LightGBM, trained on the
contaminated rows (one training), and for speed on the features to choose from alone. The trigger is
among what that model learns from, so that the choice may be better or worse than theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dokunuki.defences.boosted_trees import important_columns
from dokunuki.defences.filtering import GOODWARE, Filter

if TYPE_CHECKING:
    from dokunuki.corpus.layout import FeatureLayout


@dataclass(eq=False, repr=False)
class ImportantFeaturesFilter(Filter):
    """A filter of goodware rows by their `features` most important columns of `region`.

    `region` is one that the layout knows by name. A subclass says in `_outliers` which rows are
    suspected. After `fit_resample`, beside `sample_indices_`: `columns_` (int64, the columns looked
    at, most important first).
    """

    layout: FeatureLayout
    region: str = "non_hashed"
    features: int = 32
    seed: int = 0
    threads: int = 1

    def _suspicious(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        columns = self.layout.columns(self.region)
        self.columns_ = important_columns(
            X, y, columns, self.features, self._random_state, self.threads
        )
        goodware = np.flatnonzero(y == GOODWARE)
        suspicious = np.zeros(len(X), dtype=bool)
        suspicious[goodware] = self._outliers(X[np.ix_(goodware, self.columns_)], len(X))
        return suspicious

    def _outliers(self, goodware: np.ndarray, rows: int) -> np.ndarray:
        """Which of the goodware rows, float32 (g, features), are suspected, bool (g,).

        `rows` is the number of all training rows.
        """
        raise NotImplementedError
