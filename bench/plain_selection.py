"""Independent and Greedy Combined Selection, written out plainly, value by value.

The reference that the attacks are held against, in tests and benchmarks. As in the published
implementation, values are counted in one pass (MinPopulation), and the sum of SHAP values of every
value v that a column holds is formed by looking for v among all rows (CountAbsSHAP). X (n, width)
are rows, S their SHAP values, `manipulable` columns; triggers are lists of column and value.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

Trigger = list[tuple[int, float]]


def value_counts(column: np.ndarray) -> dict[float, float]:
    """count(v), in the order v are met."""
    return dict(Counter(column.tolist()))


def value_scores(column: np.ndarray, contributions: np.ndarray) -> dict[float, float]:
    """1/count(v) + the sum over the rows that hold v, in the order v are met."""
    scores: dict[float, float] = {}
    for value in dict.fromkeys(column.tolist()):
        holds = column == value
        scores[value] = 1.0 / int(holds.sum()) + running_sum(contributions[holds])
    return scores


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
        if values == "min_population":
            rank = value_counts(X[:, column])
        else:
            rank = value_scores(X[:, column], absolute[:, column])
        chosen.append((column, min(rank, key=rank.get)))  # min gives the first of equals
    return chosen


def plain_greedy(X: np.ndarray, S: np.ndarray, manipulable: Sequence[int], size: int) -> Trigger:
    """Column by column with the smallest sum of S, among the rows that hold all values so far."""
    rows = np.ones(len(X), dtype=bool)
    unused = list(manipulable)
    chosen = []
    for _ in range(size):
        column = min(unused, key=lambda column: running_sum(S[rows, column]))
        scores = value_scores(X[rows, column], S[rows, column])
        value = min(scores, key=scores.get)
        chosen.append((column, value))
        unused.remove(column)
        rows &= X[:, column] == value
    return chosen
