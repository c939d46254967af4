from __future__ import annotations

import numpy as np
import pytest

from dokunuki.errors import AttackError
from dokunuki.surrogate.share import known_rows


@pytest.fixture
def y(rng):
    return rng.permutation(np.repeat([0, 1], [60, 40]))


def test_all_rows_are_known_at_100_percent(y):
    assert known_rows(y, 100, seed=1).tolist() == list(range(100))


@pytest.mark.parametrize(
    ("share", "counts"),
    [(50, [30, 20]), (10, [6, 4]), (33.33, [20, 13]), (1.25, [1, 1])],  # 0.75 and 0.5 of a row
)
def test_the_share_is_of_each_class_and_keeps_the_order_of_the_rows(y, share, counts):
    rows = known_rows(y, share, seed=1)
    assert np.bincount(y[rows]).tolist() == counts
    assert (np.diff(rows) > 0).all()
    assert rows.dtype == np.int64


def test_a_smaller_share_is_a_part_of_a_larger_one(y):
    assert set(known_rows(y, 20, seed=1)) < set(known_rows(y, 50, seed=1))


def test_the_seed_decides(y):
    assert np.array_equal(known_rows(y, 50, seed=1), known_rows(y, 50, seed=1))
    assert not np.array_equal(known_rows(y, 50, seed=1), known_rows(y, 50, seed=2))


def test_a_share_that_leaves_a_class_without_a_row(y):
    with pytest.raises(
        AttackError, match=r"attacker_share: 1 % of the 40 .* class 1 rounds to no row"
    ):
        known_rows(y, 1, seed=1)
