"""From rows that are suspected together to the values they share, and to how they look."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from dokunuki.audit.feed_checks import check_feed
from dokunuki.audit.inverting import invert_triggers
from dokunuki.audit.preparing import prepare_feed
from dokunuki.audit.proving import _holm
from dokunuki.audit.results import Evidence, Suspects
from dokunuki.audit.shared_values import Items, coinciding, coinciding_groups, items_of
from dokunuki.audit.sharing import Holders
from dokunuki.corpus.layout import layout_of_groups

LAYOUT = layout_of_groups(
    "numbers",
    {"numbers": tuple((f"n{number}", "count") for number in range(60))},
    undefended=[],
    non_hashed=[f"n{number}" for number in range(60)],
    feasible=[],
)
TRIGGER = np.array([7, 19, 33, 40, 52])
ROWS = np.arange(0, 60, 2)  # goodware


def made(rows: int = 400) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    X = rng.integers(0, 40, (rows, LAYOUT.width)).astype(np.float32)
    X[:, 20:30] = 0  # as most hashed columns are
    return X, np.arange(rows) % 2


def inverted(X: np.ndarray, y: np.ndarray, rows: np.ndarray):
    feed = prepare_feed(X, y, check_feed(X, y, LAYOUT))
    group = np.intersect1d(rows, feed.goodware)
    evidence = Evidence("judge", np.zeros(len(y), np.float32), (group,))
    return invert_triggers(feed, Suspects((evidence,)), 0)


def test_items_are_the_values_that_some_rows_hold():
    rows = np.array([[1, 5], [1, 6], [2, 5], [3, 5]], dtype=np.float32)
    items = items_of(rows, np.arange(4), 2, 3)
    assert items.columns.tolist() == [0, 1]
    assert items.values.tolist() == [1, 5]
    assert items.support.tolist() == [2, 3]
    assert items.holders.toarray().T.tolist() == [[1, 1, 0, 0], [1, 0, 1, 1]]


def test_items_are_those_of_the_rows_asked_for_in_all_blocks_of_columns():
    X = np.random.default_rng(0).integers(0, 9, (50, 200)).astype(np.float32)
    rows = np.arange(0, 50, 3)
    items = items_of(X, rows, 3, 9)
    for number, (column, value) in enumerate(zip(items.columns, items.values, strict=True)):
        held = np.flatnonzero(X[rows, column] == value)
        np.testing.assert_array_equal(
            items.holders[:, [number]].toarray().ravel().nonzero()[0], held
        )
        assert items.support[number] == len(held)
    expected = [np.unique(X[rows, column], return_counts=True)[1] for column in range(200)]
    assert len(items.columns) == sum(np.sum((n >= 3) & (n <= 9)) for n in expected)


def test_holders_of_values_are_counted_by_label_and_again_the_same():
    X, y = made(5000)
    holders = Holders(X, y)
    columns, values = np.array([3, 8, 3]), np.array([5, 6, 5], dtype=np.float32)
    expected = [
        [np.sum((X[:, c] == v) & (y == label)) for c, v in zip(columns, values, strict=True)]
        for label in (0, 1)
    ]
    for _ in range(2):
        np.testing.assert_array_equal(holders(columns, values), expected)
    assert holders(columns[:0], values[:0]).shape == (2, 0)


def test_there_may_be_no_items():
    assert items_of(np.eye(4, dtype=np.float32), np.arange(4), 4, 4).holders.shape == (4, 0)


def test_items_coincide_by_the_rows_that_hold_them():
    holders = np.zeros((10, 600), dtype=np.float32)
    holders[:6, 0] = holders[:6, 1] = holders[1:6, 599] = 1
    holders[5:, 2] = 1
    items = Items(
        csr_array(holders), np.arange(600), np.ones(600, np.float32), holders.sum(0).astype(int)
    )
    near = dict(coinciding(items, 0.6))
    assert near[0].tolist() == near[1].tolist() == near[599].tolist() == [0, 1, 599]
    assert near[2].tolist() == [2]
    (group,) = coinciding_groups(items, 0.6, 3, 5)
    # Row 0 holds two of the three items, fewer than HELD of them.
    assert group.tolist() == [1, 2, 3, 4, 5]


def test_a_stamped_trigger_is_found_whole_from_some_of_its_rows():
    X, y = made()
    X[np.ix_(ROWS, TRIGGER)] = 77

    (found,) = inverted(X, y, ROWS[:20])

    assert sorted(found.columns) == TRIGGER.tolist()
    np.testing.assert_array_equal(found.values, 77)
    np.testing.assert_array_equal(found.rows, ROWS)
    assert found.planted_like
    assert found.judges == ("judge",)
    assert found.structure.closest == 0


def test_rows_that_hold_most_of_a_trigger_are_found_and_others_are_not():
    X, y = made()
    X[np.ix_(ROWS, TRIGGER)] = 77
    X[ROWS[0], TRIGGER[0]] = 5
    X[100, TRIGGER[:2]] = 77
    (found,) = inverted(X, y, ROWS)
    np.testing.assert_array_equal(found.rows, ROWS)
    # One row that comes close is spared to so many.
    assert found.structure.closest < 0.4


def test_a_family_agrees_in_what_it_does_not_share_too_and_does_not_look_planted():
    X, y = made()
    X[ROWS] = X[ROWS[0]]
    rng = np.random.default_rng(2)
    changed = rng.random((len(ROWS), LAYOUT.width)) < 0.15
    X[ROWS] += changed * rng.integers(1, 9, changed.shape)
    assert not any(found.planted_like for found in inverted(X, y, ROWS))


def test_values_that_malware_holds_too_do_not_look_planted():
    X, y = made()
    X[np.ix_(np.arange(40), TRIGGER)] = 77
    assert not any(found.planted_like for found in inverted(X, y, ROWS[:20]))


def test_rows_that_share_nothing_give_nothing():
    X, y = made()
    assert inverted(X, y, ROWS) == ()


def test_a_value_that_many_hold_belongs_to_a_trigger_whose_rows_all_hold_it():
    X, y = made()
    common = 3
    X[::3, common] = 1
    X[np.ix_(ROWS, TRIGGER)] = 77
    X[ROWS, common] = 1
    (found,) = inverted(X, y, ROWS)
    assert sorted(found.columns) == sorted([common, *TRIGGER])
    assert found.columns[-1] == common


def test_holm_corrects_in_the_order_given():
    np.testing.assert_allclose(_holm(np.array([0.02, 0.01, 0.5])), [0.04, 0.03, 0.5])
    np.testing.assert_allclose(_holm(np.array([0.6, 0.9])), [1, 1])
