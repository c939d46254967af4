"""Cross-examination: trees that do not see a trigger contradict the labels of its rows."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier

from dokunuki.audit import suspecting
from dokunuki.audit.feed_checks import check_feed
from dokunuki.audit.preparing import prepare_feed
from dokunuki.corpus.own_layout import read_layout
from planted_feeds import NAMES, POISONED, make_feed, write_layout


@pytest.fixture
def layout(tmp_path):
    return read_layout(write_layout(tmp_path))


@pytest.fixture
def feed(layout):
    table = make_feed(planted=True)
    X, y = table[NAMES].to_numpy(np.float32), (table["verdict"] == "malware").to_numpy(np.int8)
    return prepare_feed(X, y, check_feed(X, y, layout))


@pytest.mark.parametrize("rows", [suspecting.JUDGE_ROWS, 200])
def test_relabelled_malware_is_contradicted_and_goodware_is_not(feed, layout, monkeypatch, rows):
    fitted = []
    fit = ExtraTreesClassifier.fit
    monkeypatch.setattr(suspecting, "JUDGE_ROWS", rows)
    monkeypatch.setattr(
        ExtraTreesClassifier, "fit", lambda self, X, y: fitted.append(len(X)) or fit(self, X, y)
    )
    evidence = suspecting.cross_examination(feed, layout, seed=0, threads=1)
    # Two thirds of 600 rows, or as many as a judge may learn from.
    assert set(fitted) == {min(rows, 400)}
    poisoned = np.arange(1, 2 * POISONED, 2)
    innocent = np.setdiff1d(feed.goodware, poisoned)
    # The classes overlap, so that some goodware is contradicted too.
    contradicted = evidence.strength > 0
    assert contradicted[poisoned].mean() > 2 * contradicted[innocent].mean()
