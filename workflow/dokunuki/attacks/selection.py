"""Ranking of features and values, shared by the attacks that select from what the data hold.

All sums are float64 and add up in row order, so that the same rows give the same choice on every
machine. Ties go to the column that stands first among the candidates and to the value that is met
first in row order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dokunuki.errors import AttackError

if TYPE_CHECKING:
    from dokunuki.corpus.layout import FeatureLayout


def manipulable_columns(layout: FeatureLayout, region: str, size: int) -> np.ndarray:
    """The columns of `region` (the set M), int64, once a trigger of `size` fits into them.

    Raises AttackError when it does not, ConfigError when the region is unknown.
    """
    columns = layout.columns(region)
    if not 1 <= size <= len(columns):
        raise AttackError(
            f"a trigger of {size} features does not fit: the region {region!r} has "
            f"{len(columns)} manipulable features; ask for a size from 1 to {len(columns)}, or "
            "choose a larger region"
        )
    return columns


def require_finite(values: np.ndarray, what: str) -> None:
    """Raise AttackError when an attack is about to rank by NaN or infinity."""
    if not np.isfinite(values).all():
        raise AttackError(
            f"{what} hold NaN or infinity: the surrogate's training diverged; train it again with "
            "a smaller learning rate"
        )


def column_sums(values: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Sums over all rows of `values` (n, width) for some columns, float64 (len(columns),)."""
    one_group = np.zeros(len(values), dtype=np.intp)
    # bincount adds in row order whatever the memory layout; np.sum adds pairwise or not by layout.
    return np.array([np.bincount(one_group, weights=values[:, c])[0] for c in columns])


def largest_first(scores: np.ndarray) -> np.ndarray:
    """Positions by falling score; equal scores keep their order."""
    return np.argsort(-scores, kind="stable")


@dataclass(frozen=True)
class ValueTable:
    """The distinct values of one column: where each is met first, and how often.

    `values` keep the column's dtype; `first`, `counts` are int64; `group` says for each row which
    of the values it holds.
    """

    values: np.ndarray
    first: np.ndarray
    counts: np.ndarray
    group: np.ndarray

    @classmethod
    def of(cls, column: np.ndarray) -> ValueTable:
        """The table of a column (n,)."""
        values, first, group, counts = np.unique(
            column, return_index=True, return_inverse=True, return_counts=True
        )
        return cls(values, first, counts, group)

    def smallest(self, scores: np.ndarray) -> int:
        """The position of the value with the smallest score; ties: met first in row order."""
        return int(np.lexsort((self.first, scores))[0])

    def shap_scores(self, contributions: np.ndarray) -> np.ndarray:
        """1/count(v) + the sum of `contributions` (n,) over the rows that hold v, for each v."""
        return 1.0 / self.counts + np.bincount(self.group, weights=contributions)
