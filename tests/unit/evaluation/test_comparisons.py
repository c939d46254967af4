from __future__ import annotations

import math

import pytest
from scipy.stats import ttest_rel

from dokunuki.evaluation.comparisons import compare, holm


def test_the_paired_t_test_is_that_of_the_formula():
    # t = 0.2 / (0.1 / sqrt 3) = 2 sqrt 3; with two degrees of freedom p = 1 - t / sqrt(2 + t^2).
    found = compare([0.1, 0.2, 0.3])
    assert (found.pairs, found.test) == (3, "t")
    assert found.mean == pytest.approx(0.2)
    assert found.p == pytest.approx(1 - math.sqrt(12 / 14))
    assert found.half == pytest.approx(4.302653 * 0.1 / math.sqrt(3))


def test_it_agrees_with_scipy():
    ours, theirs = [0.91, 0.3, 0.52, 0.7, 0.66], [0.9, 0.35, 0.4, 0.64, 0.6]
    found = compare([one - other for one, other in zip(ours, theirs, strict=True)])
    assert found.p == pytest.approx(ttest_rel(ours, theirs).pvalue)


def test_differences_without_variance_are_not_tested_by_it():
    assert compare([0.0, 0.0, 0.0]) == (equal := compare([1e-7, 0.0, -1e-7]))
    assert (equal.p, equal.test, equal.half) == (1.0, "equal", 0.0)
    # 0.3 - 0.1 and 0.4 - 0.2 differ in their last bit.
    same = compare([0.3 - 0.1, 0.4 - 0.2, 0.2, 0.2, 0.2])
    assert (same.p, same.test) == (2 / 2**5, "sign")


def test_one_pair_allows_no_test():
    found = compare([0.1, math.nan])
    assert (found.pairs, found.mean, found.test) == (1, 0.1, "")
    assert math.isnan(found.p)
    assert math.isnan(found.half)
    assert math.isnan(compare([]).mean)


def test_holm_steps_down_and_leaves_what_was_not_tested():
    corrected = holm([0.01, math.nan, 0.04, 0.03, 0.005])
    # 4 x 0.005, 3 x 0.01, 2 x 0.03, and 1 x 0.04, which must not fall below the one before.
    assert corrected[:1] + corrected[2:] == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert math.isnan(corrected[1])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []
