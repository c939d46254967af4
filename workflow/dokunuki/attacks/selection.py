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
    from dokunuki.storage.matrix import Matrix


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


def columns_of(matrix: Matrix, columns: np.ndarray) -> np.ndarray:
    """Some columns of a matrix, its dtype, (n, len(columns)) in C order, in memory of their own."""
    if isinstance(matrix, np.ndarray):
        return matrix.take(columns, axis=1)  # a third of the time of matrix[:, columns]
    return matrix[:, columns]


def column_sums(values: np.ndarray) -> np.ndarray:
    """Sums over all rows of `values`, float32 (n, width) in C order: float64 (width,)."""
    # numpy adds row to row where there are several columns, and the numbers of one in pairs. Either
    # converts a few rows at a time.
    one = values.shape[1] == 1
    sums: np.ndarray = (
        values.cumsum(dtype=np.float64)[-1:] if one else values.sum(axis=0, dtype=np.float64)
    )
    return sums


def largest_first(scores: np.ndarray) -> np.ndarray:
    """Positions by falling score; equal scores keep their order."""
    return np.argsort(-scores, kind="stable")


@dataclass(frozen=True)
class ValueTable:
    """The distinct values of one column: where each is met first, and how often.

    `values` keep the column's dtype; `first`, `counts` are int64; `order` are the rows by value,
    those of a value in row order.
    """

    values: np.ndarray
    first: np.ndarray
    counts: np.ndarray
    order: np.ndarray

    @classmethod
    def of(cls, column: np.ndarray) -> ValueTable:
        """The table of a column, float32 (n,)."""
        # Any order that brings equal values (-0 made 0) together will do: that of the halves of
        # their bits, which numpy sorts by radix, takes a quarter of the time of np.unique's.
        halves = (column + np.float32(0)).view(np.uint16)
        order = np.lexsort((halves[0::2], halves[1::2]))
        ordered = column[order]
        starts = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
        bounds = np.concatenate(([0], starts, [len(order)]))
        first = order[bounds[:-1]]
        return cls(column[first], first, bounds[1:] - bounds[:-1], order)

    def smallest(self, scores: np.ndarray) -> int:
        """The position of the value with the smallest score; ties: met first in row order."""
        smallest = np.flatnonzero(scores == scores.min())
        return int(smallest[self.first[smallest].argmin()])

    def sums(self, contributions: np.ndarray) -> np.ndarray:
        """The sum of `contributions` (n,) over the rows that hold v, for each v: float64."""
        group = np.arange(len(self.counts)).repeat(self.counts)
        return np.bincount(group, weights=contributions[self.order])

    def shap_scores(self, contributions: np.ndarray) -> np.ndarray:
        """1/count(v) + the sum of `contributions` (n,) over the rows that hold v, for each v."""
        scores: np.ndarray = 1.0 / self.counts + self.sums(contributions)
        return scores
