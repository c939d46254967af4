"""Independent and Greedy Combined Selection as published: row by row and value by value.

The reference that the attacks are held against, in tests and benchmarks. X (n, width) are rows, S
their SHAP values, `manipulable` columns; triggers are lists of column and value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

Trigger = list[tuple[int, float]]


def value_scores(
    X: np.ndarray, S: np.ndarray, column: int, rows: Sequence[int]
) -> tuple[dict[float, int], dict[float, float]]:
    """count(v), and 1/count(v) + sum of S over the rows that hold v, in the order v are met."""
    counts: dict[float, int] = {}
    sums: dict[float, float] = {}
    for row in rows:
        value = float(X[row, column])
        counts[value] = counts.get(value, 0) + 1
        sums[value] = sums.get(value, 0.0) + float(S[row, column])
    return counts, {value: 1.0 / counts[value] + sums[value] for value in counts}


def column_sum(S: np.ndarray, column: int, rows: Sequence[int]) -> float:
    """The sum of a column over some rows, one after the other."""
    total = 0.0
    for row in rows:
        total += float(S[row, column])
    return total


def plain_independent(
    X: np.ndarray, S: np.ndarray, manipulable: Sequence[int], size: int, values: str
) -> Trigger:
    """The columns with the largest sums of |S|, with the rarest or the least scored values."""
    absolute = np.abs(S)
    rows = range(len(X))
    totals = {column: column_sum(absolute, column, rows) for column in manipulable}
    chosen = []
    for column in sorted(manipulable, key=lambda column: -totals[column])[:size]:
        counts, scores = value_scores(X, absolute, column, rows)
        rank = counts if values == "min_population" else scores
        chosen.append((column, min(rank, key=rank.get)))  # min gives the first of equals
    return chosen


def plain_greedy(X: np.ndarray, S: np.ndarray, manipulable: Sequence[int], size: int) -> Trigger:
    """Column by column with the smallest sum of S, among the rows that hold all values so far."""
    rows = list(range(len(X)))
    unused = list(manipulable)
    chosen = []
    for _ in range(size):
        column = min(unused, key=lambda column: column_sum(S, column, rows))
        _, scores = value_scores(X, S, column, rows)
        value = min(scores, key=scores.get)
        chosen.append((column, value))
        unused.remove(column)
        rows = [row for row in rows if X[row, column] == value]
    return chosen
