"""Boosted trees that a filter trains on the contaminated rows, and what they say of each column."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dokunuki.storage.row_blocks import row_blocks

if TYPE_CHECKING:
    import lightgbm

# Rows, drawn by LightGBM, that the bins of a column are made from. The library takes up to 200,000
# and holds them as float64 with their numbers, and in vectors that grow by doubling: several times
# the rows themselves. Up to this many rows the trees are the library's own. A choice; the entries
# of the catalogue have it too.
BIN_ROWS = 8_192


def fit_trees(X: np.ndarray, y: np.ndarray, seed: int, threads: int) -> lightgbm.LGBMClassifier:
    """LightGBM with the library's defaults, as Severi et al. and Wang et al. train it on EMBER.

    But with 63 bins a column instead of 255, which takes less than half the time, and of at most
    `BIN_ROWS` rows.
    """
    import lightgbm

    trees = lightgbm.LGBMClassifier(
        max_bin=63,
        subsample_for_bin=BIN_ROWS,
        random_state=seed,
        n_jobs=threads,
        deterministic=True,
        force_col_wise=True,
        verbosity=-1,
    )
    trees.fit(X, y)
    return trees


def contributions(trees: lightgbm.LGBMClassifier, X: np.ndarray) -> np.ndarray:
    """Exact SHAP values of the logit, float64 (n, width), positive towards malware."""
    threads = trees.get_params()["n_jobs"]
    return np.asarray(trees.booster_.predict(X, pred_contrib=True, num_threads=threads))[:, :-1]


def important_columns(
    X: np.ndarray, y: np.ndarray, columns: np.ndarray, count: int, seed: int, threads: int
) -> np.ndarray:
    """The `count` of `columns` with the largest sum of absolute SHAP values over all rows, int64.

    The trees see these columns only. Most important first; of equals the one that comes first in
    `columns`.
    """
    seen = np.ascontiguousarray(X[:, columns])
    trees = fit_trees(seen, y, seed, threads)
    totals = np.zeros(seen.shape[1])
    for rows in row_blocks(len(seen)):  # the values are float64, twice the rows
        values = np.abs(contributions(trees, seen[rows]))
        values[0] += totals  # first, so that the order stays that of the rows
        totals = values.sum(axis=0)
    order = np.argsort(-totals, kind="stable")
    return np.asarray(columns[order[:count]])
