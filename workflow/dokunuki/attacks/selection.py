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

_ROW_BITS = np.uint64(32)
_ROW_MASK = np.uint64(2**32 - 1)


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


def column_sums(values: np.ndarray) -> np.ndarray:
    """Sums over all rows of `values`, float64 (n, width) in C order: float64 (width,)."""
    # numpy adds row to row where there are several columns, and the numbers of one in pairs.
    return values.cumsum()[-1:] if values.shape[1] == 1 else values.sum(axis=0)


def largest_first(scores: np.ndarray) -> np.ndarray:
    """Positions by falling score; equal scores keep their order."""
    return np.argsort(-scores, kind="stable")


@dataclass(frozen=True)
class ValueTable:
    """The distinct values of one column: where each is met first, and how often.

    `values` keep the column's dtype; `first`, `counts` are int64; `order` are the rows by value.
    """

    values: np.ndarray
    first: np.ndarray
    counts: np.ndarray
    order: np.ndarray

    @classmethod
    def of(cls, column: np.ndarray) -> ValueTable:
        """The table of a column, float32 (n,), n below 2 ** 32."""
        # A value's bits (-0 made 0) before its row's number: sorting such integers, as numpy does
        # with vector instructions, takes a tenth of np.unique's time, which sorts positions.
        bits = (column + np.float32(0)).view(np.uint32).astype(np.uint64)
        keys = np.sort(bits << _ROW_BITS | np.arange(len(column), dtype=np.uint64))
        order = (keys & _ROW_MASK).astype(np.intp)
        values = keys >> _ROW_BITS
        ends = np.append(np.flatnonzero(values[1:] != values[:-1]) + 1, len(keys))
        counts = np.diff(ends, prepend=0)
        first = order[ends - counts]
        return cls(column[first], first, counts, order)

    def smallest(self, scores: np.ndarray) -> int:
        """The position of the value with the smallest score; ties: met first in row order."""
        smallest = np.flatnonzero(scores == scores.min())
        return int(smallest[np.argmin(self.first[smallest])])

    def shap_scores(self, contributions: np.ndarray) -> np.ndarray:
        """1/count(v) + the sum of `contributions` (n,) over the rows that hold v, for each v."""
        group = np.empty_like(self.order)
        group[self.order] = np.repeat(np.arange(len(self.counts)), self.counts)
        return 1.0 / self.counts + np.bincount(group, weights=contributions)
