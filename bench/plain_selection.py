"""Independent and Greedy Combined Selection as the papers' formulas read: value by value.

The reference that the attacks are held against, in tests and benchmarks. count(v) and the sum of
SHAP values are formed for every value v that a column holds by looking for v among all rows, as the
published implementation of CountAbsSHAP does. X (n, width) are rows, S their SHAP values,
`manipulable` columns; triggers are lists of column and value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

Trigger = list[tuple[int, float]]


def value_scores(
    column: np.ndarray, contributions: np.ndarray
) -> tuple[dict[float, int], dict[float, float]]:
    """count(v), and 1/count(v) + the sum over the rows that hold v, in the order v are met."""
    counts: dict[float, int] = {}
    scores: dict[float, float] = {}
    for value in dict.fromkeys(column.tolist()):
        holds = column == value
        counts[value] = int(holds.sum())
        scores[value] = 1.0 / counts[value] + running_sum(contributions[holds])
    return counts, scores


def running_sum(values: np.ndarray) -> float:
    """The sum in float64, one number after the other."""
    return float(values.cumsum(dtype=np.float64)[-1])


def plain_independent(
    X: np.ndarray, S: np.ndarray, manipulable: Sequence[int], size: int, values: str
) -> Trigger:
    """The columns with the largest sums of |S|, with the rarest or the least scored values."""
    absolute = np.abs(S)
    totals = {column: running_sum(absolute[:, column]) for column in manipulable}
    chosen = []
    for column in sorted(manipulable, key=lambda column: -totals[column])[:size]:
        counts, scores = value_scores(X[:, column], absolute[:, column])
        rank = counts if values == "min_population" else scores
        chosen.append((column, min(rank, key=rank.get)))  # min gives the first of equals
    return chosen


def plain_greedy(X: np.ndarray, S: np.ndarray, manipulable: Sequence[int], size: int) -> Trigger:
    """Column by column with the smallest sum of S, among the rows that hold all values so far."""
    rows = np.ones(len(X), dtype=bool)
    unused = list(manipulable)
    chosen = []
    for _ in range(size):
        column = min(unused, key=lambda column: running_sum(S[rows, column]))
        _, scores = value_scores(X[rows, column], S[rows, column])
        value = min(scores, key=scores.get)
        chosen.append((column, value))
        unused.remove(column)
        rows &= X[:, column] == value
    return chosen
