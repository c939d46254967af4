"""The calibration rows as the defender collected them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dokunuki.victims.calibration import calibration_rows
from toy_victims import LAYOUT, poison_of


def test_calibration_rows_are_poisoned_as_the_training_rows_are(extended, trigger):
    X, y = extended.part("calibration")
    same, labels = calibration_rows(extended, None, None, seed=0)
    np.testing.assert_array_equal(same, X)
    np.testing.assert_array_equal(labels, y)
    # 6 of 60 training rows: 4 of 40.
    poison = poison_of(extended, trigger)
    altered, labels = calibration_rows(extended, poison, trigger, seed=0)
    rows = np.flatnonzero((altered != X).any(axis=1))
    assert len(rows) == 4
    assert (y[rows] == 1).all()
    np.testing.assert_array_equal(np.flatnonzero(labels != y), rows)
    np.testing.assert_array_equal(
        altered[np.ix_(rows, trigger.indices)], np.tile(trigger.values, (4, 1))
    )
    untouched = np.setdiff1d(np.arange(LAYOUT.width), trigger.indices)
    np.testing.assert_array_equal(altered[:, untouched], X[:, untouched])
    # A smaller rate poisons the first of the same rows; another seed other ones.
    less, _ = calibration_rows(extended, poison.cell(30, 5), trigger, seed=0)
    assert set(np.flatnonzero((less != X).any(axis=1))) < set(rows)
    other, _ = calibration_rows(extended, poison, trigger, seed=1)
    assert set(np.flatnonzero((other != X).any(axis=1))) != set(rows)
    # Where a poisoned row kept a value of its own, so does the calibration row.
    values = poison.values.copy()
    values[:, 0] = 7.0
    partly, _ = calibration_rows(extended, replace(poison, values=values), trigger, seed=0)
    column = trigger.indices[0]
    np.testing.assert_array_equal(partly[:, column], X[:, column])
    np.testing.assert_array_equal(partly[:, trigger.indices[1:]], altered[:, trigger.indices[1:]])
