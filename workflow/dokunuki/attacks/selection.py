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
from dokunuki.storage.matrix import blocks_of
from dokunuki.storage.row_blocks import row_blocks
from dokunuki.storage.row_memory import row_memory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dokunuki.corpus.layout import FeatureLayout
    from dokunuki.storage.matrix import Matrix

# Columns that are held beside each other, of all rows: a seventh of the largest region, 1839
# columns, so that what is held beside a matrix of them stays small. A choice.
COLUMNS_AT_A_TIME = 256
# Values that are added up at a time as float64; they stay in a processor's cache.
_SUMMED_VALUES = 1 << 16


def manipulable_columns(layout: FeatureLayout, region: str, size: int) -> np.ndarray:
    """The columns of `region` (the set M), int64, in which a trigger of `size` must fit.

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
    picked = row_memory((len(matrix), len(columns)), matrix.dtype)
    for place, rows in blocks_of(matrix):
        rows.take(columns, axis=1, out=picked[place], mode="clip")  # other modes take a copy first
    return picked


def column_sums(values: np.ndarray) -> np.ndarray:
    """Sums over all rows of `values`, float (n, width) in C order: float64 (width,)."""
    # numpy adds row to row where there are several columns, and the numbers of one in pairs. Either
    # converts a few rows at a time.
    one = values.shape[1] == 1
    sums: np.ndarray = (
        values.cumsum(dtype=np.float64)[-1:] if one else values.sum(axis=0, dtype=np.float64)
    )
    return sums


def column_totals(matrix: Matrix, columns: np.ndarray, *, absolute: bool = False) -> np.ndarray:
    """What `column_sums` gives for `columns` (c,) of a matrix, or for their absolute values.

    The matrix is read through block by block and never held. Float64 (c,).
    """
    totals = np.zeros(len(columns))
    for place, rows in blocks_of(matrix):
        values = rows.take(columns, axis=1)
        if absolute:
            np.abs(values, out=values)
        for part in row_blocks(len(values), max(1, _SUMMED_VALUES // len(columns))):
            exact = values[part].astype(np.float64)
            # The sum so far goes before the next row, so that the order stays that of the rows.
            # There is none before the first: 0 would make a sum of -0 another one.
            if place.start or part.start:
                exact[0] += totals
            totals = column_sums(exact)
    return totals


def whole_columns(
    matrix: Matrix, columns: np.ndarray, rows: np.ndarray | None = None
) -> np.ndarray:
    """Some columns of a matrix, its dtype, (len(columns), n) in C order: each lies in one piece.

    Of all rows, or of `rows` (n,): rising positions.
    """
    count = len(matrix) if rows is None else len(rows)
    picked = row_memory((len(columns), count), matrix.dtype)
    for place, part in blocks_of(matrix, rows):
        picked[:, place] = part.take(columns, axis=1).T
    return picked


def each_column(matrix: Matrix, columns: np.ndarray) -> Iterator[np.ndarray]:
    """The columns (n,) of a matrix in the order of `columns`, of which some are held at a time."""
    for some in row_blocks(len(columns), COLUMNS_AT_A_TIME):
        yield from whole_columns(matrix, columns[some])


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
