"""Triggers whose values jitter: dense spots of columns, and the ranges that rows share."""

from __future__ import annotations

import numpy as np
import pytest

from dokunuki.audit.feed_checks import check_feed
from dokunuki.audit.inverting import invert_triggers
from dokunuki.audit.preparing import prepare_feed
from dokunuki.audit.results import Suspects
from dokunuki.audit.settings import LEAST_SPOT
from dokunuki.audit.shared_ranges import dense_spots, spots_of
from dokunuki.audit.suspecting import shared_ranges, shared_values
from dokunuki.corpus.layout import layout_of_groups

WIDTH = 100
LAYOUT = layout_of_groups(
    "numbers",
    {"numbers": tuple((f"n{number}", "value") for number in range(WIDTH))},
    undefended=[],
    non_hashed=[f"n{number}" for number in range(WIDTH)],
    feasible=[],
)
TRIGGER = np.array([7, 19, 33, 40, 52])
ROWS = np.arange(0, 80, 2)  # goodware


def made(rows: int = 600, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    X = np.random.default_rng(seed).normal(size=(rows, WIDTH)).astype(np.float32)
    return X, np.arange(rows) % 2


def jittered(X: np.ndarray, centre: float = 0.5, spread: float = 0.02) -> None:
    """Each row of the trigger holds values of its own, all of them near the centre."""
    noise = np.random.default_rng(2).uniform(-spread, spread, (len(ROWS), len(TRIGGER)))
    X[np.ix_(ROWS, TRIGGER)] = centre + noise


def candidates(X: np.ndarray, y: np.ndarray, judge=shared_ranges):
    feed = prepare_feed(X, y, check_feed(X, y, LAYOUT))
    return invert_triggers(feed, Suspects((judge(feed),)), 0)


def test_a_spot_is_found_where_it_lies_whatever_lies_around():
    draw = np.random.default_rng(0)
    held = np.sort(np.concatenate([draw.normal(size=1000), 0.3 + 0.01 * draw.random(60)]))
    ((first, last),) = dense_spots(held, LEAST_SPOT, 150)
    # Some of those that lie there anyway are in it.
    assert held[first] == pytest.approx(0.3, abs=0.03)
    assert held[last - 1] == pytest.approx(0.31, abs=0.03)
    assert 58 <= last - first <= 75


@pytest.mark.parametrize("seed", range(5))
def test_chance_makes_no_spots(seed):
    draw = np.random.default_rng(seed)
    for held in (draw.random(1000), draw.normal(size=1000), draw.exponential(size=1000)):
        assert list(dense_spots(np.sort(held), LEAST_SPOT, 150)) == []


def test_a_value_that_many_hold_is_an_item_and_no_spot():
    held = np.sort(np.concatenate([np.random.default_rng(0).normal(size=1000), np.full(60, 0.3)]))
    assert list(dense_spots(held, LEAST_SPOT, 150)) == []


def test_spots_are_told_with_their_ends_and_the_rows_in_them():
    X, y = made()
    jittered(X)
    goodware = np.flatnonzero(y == 0)
    spots = spots_of(X, goodware, 5, 60)
    assert set(TRIGGER) <= set(spots.columns)
    for number, column in enumerate(spots.columns):
        own = X[goodware, column]
        inside = (own >= spots.low[number]) & (own <= spots.high[number])
        np.testing.assert_array_equal(spots.holders[:, [number]].toarray().ravel(), inside)
        assert spots.support[number] == inside.sum()
        assert spots.low[number] < spots.values[number] < spots.high[number]


def test_there_may_be_no_spots():
    X, y = made()
    assert spots_of(X, np.flatnonzero(y == 0), 5, 60).holders.shape == (300, 0)


def test_a_trigger_that_jitters_is_found_with_its_ranges():
    X, y = made()
    jittered(X)

    (found,) = candidates(X, y)

    assert set(TRIGGER) == set(found.columns)
    assert np.isin(ROWS, found.rows).mean() >= 0.95
    assert np.isin(found.rows, ROWS).all()
    assert found.planted_like
    low, high = found.ranges.T
    assert ((low >= np.float32(0.48)) & (high <= np.float32(0.52)) & (low < high)).all()
    assert ((found.values >= low) & (found.values <= high)).all()
    assert found.judges == ("shared ranges",)


def test_exact_values_are_left_to_the_judge_of_values():
    X, y = made()
    X[np.ix_(ROWS, TRIGGER)] = 0.5
    assert candidates(X, y) == ()
    (found,) = candidates(X, y, shared_values)
    assert found.ranges is None


def test_ranges_of_rows_that_were_drawn_by_chance_give_nothing():
    assert candidates(*made()) == ()


def test_rows_that_lie_together_in_most_columns_do_not_look_planted():
    X, y = made()
    centre = X[0].copy()
    noise = np.random.default_rng(4).uniform(-0.02, 0.02, (len(ROWS), WIDTH))
    X[ROWS] = centre + noise
    assert not any(found.planted_like for found in candidates(X, y))
