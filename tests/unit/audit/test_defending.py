"""The audit as a defence of a victim's rows."""

from __future__ import annotations

import numpy as np
import pytest

from dokunuki.audit.defending import AuditPurification
from dokunuki.corpus.own_layout import read_layout
from dokunuki.errors import ConfigError
from dokunuki.parts.standardising import Standardiser
from planted_feeds import NAMES, POISONED, TRIGGER, make_feed, write_layout


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    return read_layout(write_layout(tmp_path_factory.mktemp("layout")))


def feed(*, planted, rows=600):
    """Raw rows, labels, and which are poisoned."""
    table = make_feed(planted=planted, rows=rows)
    X = table[NAMES].to_numpy(np.float32).copy()
    y = (table["verdict"] == "malware").to_numpy(np.int8)
    poison = np.zeros(rows, dtype=bool)
    poison[1 : 2 * POISONED : 2] = planted
    return X, y, poison


def purified(layout, X, y):
    """The defence, and the rows and labels that it left."""
    defence = AuditPurification(layout)
    return defence, *defence.fit_resample(X, y)


def standardised(X):
    """As a detector hands rows to its defences."""
    return Standardiser().fit(X).transform(X)


def test_a_planted_trigger_no_longer_stands_with_the_label_goodware(layout):
    X, y, poison = feed(planted=True)
    defence, rows, labels = purified(layout, standardised(X), y)
    kept = defence.sample_indices_
    assert defence.result_.verdict == "proved"
    assert len(rows) == len(labels) == len(kept)
    assert not (poison[kept] & (labels == 0)).any()
    # All that is done is done to poison.
    assert poison[np.setdiff1d(np.arange(len(y)), kept)].all()
    np.testing.assert_array_equal(labels[~poison[kept]], y[kept][~poison[kept]])

    of_raw_rows, _, same = purified(layout, X, y)
    np.testing.assert_array_equal(same, labels)
    np.testing.assert_array_equal(of_raw_rows.sample_indices_, kept)
    for answer in (defence.result_, of_raw_rows.result_):
        assert set(answer.triggers[0].names) == set(TRIGGER)


def test_rows_without_a_trigger_stay_as_they_are(layout):
    X, y, _ = feed(planted=False)
    defence, rows, labels = purified(layout, standardised(X), y)
    assert defence.result_.verdict == "nothing proved"
    assert len(rows) == len(X)
    np.testing.assert_array_equal(labels, y)


def test_a_trigger_of_two_columns_is_beyond_it(layout):
    X, y, poison = feed(planted=False)
    poison[1 : 2 * POISONED : 2] = True
    X[np.ix_(poison, [20, 21])] = [9000, 9001]
    y[poison] = 0
    defence, _, labels = purified(layout, standardised(X), y)
    assert len(defence.sample_indices_) == len(X)
    np.testing.assert_array_equal(labels, y)


def test_where_the_audit_cannot_tell_nothing_is_done(layout):
    X, y, _ = feed(planted=True, rows=150)
    defence, rows, labels = purified(layout, standardised(X), y)
    assert defence.result_.verdict == "cannot tell"
    assert len(rows) == len(X)
    np.testing.assert_array_equal(labels, y)


def test_an_unknown_detector_is_named(layout):
    X, y, _ = feed(planted=True)
    with pytest.raises(ConfigError, match="unknown 'lightgmb'"):
        AuditPurification(layout, detector="lightgmb").fit_resample(X, y)
