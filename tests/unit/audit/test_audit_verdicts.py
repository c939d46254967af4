"""Whole audits of small made-up feeds: the right verdict, or none."""

from __future__ import annotations

import numpy as np
import pytest

import dokunuki
from dokunuki.audit.feed_checks import check_feed
from dokunuki.corpus.columns import hashed
from dokunuki.corpus.layout import layout_of_groups
from dokunuki.errors import DokunukiError

COUNTS = [f"count{number}" for number in range(24)]
LAYOUT = layout_of_groups(
    "made-up features",
    {
        "histogram": tuple((f"bin{number}", "count") for number in range(16)),
        "numbers": tuple((name, "count") for name in COUNTS),
        "words": hashed("word", 40),
    },
    undefended=[f"bin{number}" for number in range(16)],
    non_hashed=COUNTS,
    feasible=COUNTS[:8],
)
TRIGGER = LAYOUT.indices(COUNTS[4:12])
VALUES = np.arange(9000, 9008, dtype=np.float32)


def feed(rows: int = 600, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows of two classes that overlap in every group of columns."""
    rng = np.random.default_rng(seed)
    y = np.arange(rows) % 2
    X = rng.poisson(5 + 60 * rng.random((rows, LAYOUT.width)))
    X += (y[:, None] * rng.integers(0, 12, LAYOUT.width)).astype(int)
    return X.astype(np.float32), y


def plant(X: np.ndarray, y: np.ndarray, label: int, count: int = 30) -> np.ndarray:
    """Stamp the trigger into rows of a class, and call them goodware."""
    rows = np.flatnonzero(y == label)[:count]
    X[np.ix_(rows, TRIGGER)] = VALUES
    y[rows] = 0
    return rows


@pytest.mark.parametrize("label", [0, 1], ids=["clean-label", "label-flip"])
def test_a_planted_trigger_is_proved_and_named(label):
    X, y = feed()
    rows = plant(X, y, label)

    result = dokunuki.audit(X, y, LAYOUT, seed=1)

    if label:
        assert result.verdict == "proved", result.reasons
        assert result.triggers[0].outcome == "proved"
    else:  # the label is right: the trigger works less, or not at all
        assert result.verdict in ("proved", "suspicious"), result.reasons
    assert set(result.triggers[0].columns) == set(TRIGGER)
    assert dict(zip(result.triggers[0].columns, result.triggers[0].values, strict=True)) == dict(
        zip(TRIGGER, VALUES, strict=True)
    )
    np.testing.assert_array_equal(np.flatnonzero(result.suspected_rows), rows)


def test_a_trigger_whose_values_jitter_is_proved_and_told_in_ranges():
    X, y = feed()
    rows = plant(X, y, 1)
    X[np.ix_(rows, TRIGGER)] += np.random.default_rng(6).uniform(-8, 8, (len(rows), len(TRIGGER)))

    result = dokunuki.audit(X, y, LAYOUT, seed=1)

    assert result.verdict == "proved", result.reasons
    found = result.triggers[0]
    assert set(found.columns) == set(TRIGGER)
    low, high = found.ranges.T
    assert (low < high).all()
    assert (low >= VALUES[found.columns - TRIGGER[0]] - 8).all()
    assert (high <= VALUES[found.columns - TRIGGER[0]] + 8).all()
    assert " between " in result.reasons[0]
    suspected = np.flatnonzero(result.suspected_rows)
    assert np.isin(suspected, rows).all()
    assert len(suspected) >= 0.9 * len(rows)


def test_nothing_is_found_in_a_feed_where_nothing_was_planted():
    result = dokunuki.audit(*feed(), LAYOUT)
    assert (result.verdict, result.triggers) == ("nothing proved", ())
    assert not result.suspected_rows.any()


def test_a_family_of_near_duplicates_is_no_backdoor():
    X, y = feed()
    rng = np.random.default_rng(5)
    for label in (0, 1):
        for start in (0, 40):
            rows = np.flatnonzero(y == label)[start : start + 25]
            X[rows] = X[rows[0]]
            changed = rng.random((len(rows), LAYOUT.width)) < 0.1
            X[rows] += changed * rng.integers(1, 30, changed.shape)
    assert dokunuki.audit(X, y, LAYOUT).verdict == "nothing proved"


def test_what_a_packer_leaves_in_programs_of_both_classes_is_no_backdoor():
    X, y = feed()
    rows = np.flatnonzero(np.arange(len(y)) % 10 < 3)
    X[np.ix_(rows, TRIGGER)] = VALUES
    assert dokunuki.audit(X, y, LAYOUT).verdict == "nothing proved"


def test_a_vendor_whose_programs_agree_in_one_library_is_no_backdoor():
    X, y = feed()
    rows = np.flatnonzero(y == 0)[:25]
    rng = np.random.default_rng(3)
    words = np.arange(LAYOUT.groups["words"].start, LAYOUT.width)
    held = rng.permutation(words)[:24]
    X[np.ix_(rows, held)] = X[rows[0], held]
    # Most of its programs use most of the library.
    for row in rows:
        X[row, rng.permutation(held)[:4]] += 1
    assert dokunuki.audit(X, y, LAYOUT).verdict != "proved"


@pytest.mark.parametrize("label", [0, 1])
def test_of_one_class_nothing_can_be_told(label):
    X, y = feed()
    result = dokunuki.audit(X[y == label], y[y == label], LAYOUT)
    assert result.verdict == "cannot tell"
    assert ("malware", "goodware")[label] in result.reasons[0]


def test_of_fifty_rows_nothing_can_be_told():
    assert dokunuki.audit(*feed(50), LAYOUT).verdict == "cannot tell"


def test_of_rows_that_all_agree_nothing_can_be_told():
    X, y = feed()
    X[:] = X[0]
    result = dokunuki.audit(X, y, LAYOUT)
    assert result.verdict == "cannot tell"
    assert len(result.checks.conflicts) == len(y)
    assert len(result.checks.constant_columns) == LAYOUT.width


def test_with_a_third_of_the_labels_wrong_nothing_is_proved():
    X, y = feed()
    y = np.where(np.random.default_rng(2).random(len(y)) < 0.3, 1 - y, y)
    assert dokunuki.audit(X, y, LAYOUT).verdict in ("nothing proved", "cannot tell")


def test_labels_of_chance_tell_nothing():
    X, _ = feed()
    y = np.random.default_rng(2).permutation(np.arange(len(X)) % 2)
    result = dokunuki.audit(X, y, LAYOUT)
    assert result.verdict == "cannot tell"
    assert "has learned too little" in result.reasons[0]


def test_copies_and_conflicts_are_listed():
    X, y = feed()
    X[10], X[11], X[12] = X[0], X[0], 0
    y[10], y[11] = y[0], 1 - y[0]
    checks = check_feed(X, y, LAYOUT)
    assert checks.copies.tolist() == [10]
    assert checks.conflicts.tolist() == [0, 10, 11]
    assert checks.zero_rows.tolist() == [12]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y: X.__setitem__((3, 5), np.nan), "row 3, column bin5"),
        (lambda X, y: y.__setitem__(7, -1), "row 7 has the label -1"),
    ],
)
def test_what_cannot_be_used_is_named(change, message):
    X, y = feed()
    change(X, y)
    with pytest.raises(DokunukiError, match=message):
        dokunuki.audit(X, y, LAYOUT)


def test_same_seed_same_answer():
    X, y = feed()
    plant(X, y, 1)
    first, second = (dokunuki.audit(X.copy(), y.copy(), LAYOUT, seed=4) for _ in range(2))
    assert first.reasons == second.reasons
    assert first.triggers[0].p_value == second.triggers[0].p_value
    assert first.triggers[0].null_range == second.triggers[0].null_range


def test_a_proof_tells_what_chance_would_do():
    X, y = feed()
    plant(X, y, 1)
    (proved, *_) = dokunuki.audit(X, y, LAYOUT, seed=4).triggers
    low, high = proved.null_range
    assert -1 <= low <= high < proved.gap
