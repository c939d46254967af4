"""A reduced feature set: the classifier sees only the columns that a first fit finds useful.

Oyama, Miyashita and Kokubo (CANDAR Workshops 2019) ask which of EMBER's features LightGBM needs,
and keep accuracy with a small part of them. A trigger in the columns left out has no effect.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from dokunuki.defences.boosted_trees import BIN_ROWS
from dokunuki.errors import ConfigError, DokunukiError
from dokunuki.parts.estimator import Transformer, checked_rows
from dokunuki.parts.saving import SavedAsTensors


@dataclass(eq=False, repr=False)
class GainSelection(SavedAsTensors, Transformer):
    """Keeps the `columns` with the highest total gain in a LightGBM fit on the contaminated rows.

    The paper's procedure is not public in detail; ranking by the importance that LightGBM itself
    gives is our reading. The first fit has `rounds` trees and LightGBM's other defaults. Columns of
    equal gain, those that no tree uses among them, are taken in column order. `threads` are the
    CPU threads of the fit.

    After `fit`: `columns_` (int64, in ascending order), `n_features_in_`.
    """

    columns: int = 256
    rounds: int = 100
    seed: int = 0
    threads: int = 1

    def fit(self, X: np.ndarray, y: np.ndarray | None = None) -> Self:
        """Rank the columns of standardised rows, float32 (n, width), by labels 0 and 1.

        Raises ConfigError for more columns than there are, DokunukiError where there is no row.
        """
        import lightgbm

        X = checked_rows(X)
        if not len(X):
            raise DokunukiError(
                "GainSelection needs rows to rank the columns by, and got none; give it training "
                "rows"
            )
        if not 1 <= self.columns <= X.shape[1]:
            raise ConfigError(f"columns: {self.columns!r} must be in [1, {X.shape[1]}]")
        parameters = {
            "objective": "binary",
            "seed": self.seed % 2**31,
            "num_threads": self.threads,
            "deterministic": True,
            "force_col_wise": True,
            "bin_construct_sample_cnt": BIN_ROWS,
            "verbosity": -1,
        }
        booster = lightgbm.train(parameters, lightgbm.Dataset(X, y), self.rounds)
        gain = booster.feature_importance("gain")
        self.columns_ = np.sort(np.argsort(-gain, kind="stable")[: self.columns])
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """The kept columns, float32 (n, columns)."""
        self.check_fitted("columns_")
        return np.ascontiguousarray(checked_rows(X, self.n_features_in_)[:, self.columns_])

    def _fitted_arrays(self) -> dict[str, np.ndarray]:
        self.check_fitted("columns_")
        return {"columns": self.columns_}

    def _fitted_facts(self) -> dict[str, Any]:
        return {"width": self.n_features_in_}

    def _restore(self, arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
        self.columns_, self.n_features_in_ = arrays["columns"], facts["width"]
