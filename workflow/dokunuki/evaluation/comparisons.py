"""Paired comparisons over seeds, and their correction for multiple testing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from dokunuki.evaluation.summary import t_interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Half of the last decimal that the metrics table keeps: what differs by less is the same number.
_RESOLUTION = 5e-7


@dataclass(frozen=True)
class Comparison:
    """Mean of paired differences, half of its 95 % interval, and a two-sided p value.

    `test` says where p comes from: "t", "sign", "equal", or "" where one pair or none allows no
    test and p is NaN.
    """

    pairs: int
    mean: float
    half: float
    p: float
    test: str


def compare(differences: Iterable[float]) -> Comparison:
    """The paired t-test of differences, one per seed; NaNs are left out.

    Differences that all are the same number have no variance to test by: then the exact sign test
    takes over, p = 2^(1 - n), and p = 1 where all are 0. Wilcoxon's signed-rank test is not used:
    with five seeds its smallest p is 0.0625, which no correction survives.
    """
    known = np.array([value for value in differences if not math.isnan(value)], dtype=np.float64)
    mean, half = t_interval(known)
    n = known.size
    if n < 2:
        return Comparison(n, mean, half, float("nan"), "")
    if np.ptp(known) <= 2 * _RESOLUTION:
        if abs(mean) <= _RESOLUTION:
            return Comparison(n, 0.0, 0.0, 1.0, "equal")
        return Comparison(n, mean, half, 2.0 ** (1 - n), "sign")
    return Comparison(n, mean, half, float(stats.ttest_1samp(known, 0.0).pvalue), "t")


def holm(p_values: Sequence[float]) -> list[float]:
    """The p values corrected for all of them being looked at, in order; NaNs stay apart.

    Holm's step-down procedure (Scandinavian Journal of Statistics 6, 1979): the k-th smallest of m
    is multiplied by m - k + 1, none falls below a smaller one's, and none exceeds 1. It bounds the
    chance of any false finding, whatever the dependence between the tests. Written here since
    scipy has it not, and statsmodels would be a large dependency for ten lines.
    """
    known = sorted((p, place) for place, p in enumerate(p_values) if not math.isnan(p))
    corrected = [float("nan")] * len(p_values)
    largest = 0.0
    for rank, (p, place) in enumerate(known):
        largest = max(largest, min(1.0, p * (len(known) - rank)))
        corrected[place] = largest
    return corrected
