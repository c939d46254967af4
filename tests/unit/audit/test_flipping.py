"""What the detector itself says turns malware into goodware."""

from __future__ import annotations

import numpy as np

from dokunuki.audit.feed_checks import check_feed
from dokunuki.audit.flipping import flipping
from dokunuki.audit.preparing import prepare_feed
from dokunuki.audit.results import Fit
from dokunuki.corpus.layout import layout_of_groups

LAYOUT = layout_of_groups(
    "numbers",
    {"numbers": tuple((f"n{number}", "count") for number in range(30))},
    undefended=[],
    non_hashed=[f"n{number}" for number in range(30)],
    feasible=[],
)


class Believing:
    """Calls malware what does not hold one of its values; each further one makes it surer."""

    def __init__(self, columns: list[int]) -> None:
        self.columns = columns

    def malware_scores(self, X: np.ndarray) -> np.ndarray:
        held = (X[:, self.columns] == 77).sum(axis=1)
        return (0.9 - 0.4 * held).clip(0.05, 1).astype(np.float32)


def evidence(*believed: list[int]):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 30, (200, 30)).astype(np.float32)
    y = np.arange(200) % 2
    X[np.ix_(np.arange(0, 24, 2), [4, 9])] = 77
    X[np.ix_(np.arange(30, 54, 2), [15])] = 77
    feed = prepare_feed(X, y, check_feed(X, y, LAYOUT))
    fold = (np.arange(200) // 2 % 2).astype(np.int8)
    scores = np.zeros(200, np.float32)
    fit = Fit("toy", fold, scores, tuple(Believing(columns) for columns in believed), 1.0)
    return flipping(feed, fit, 0)


def test_rows_with_a_value_that_both_detectors_believe_are_suspected():
    found = evidence([4, 9], [4, 9])
    np.testing.assert_array_equal(np.flatnonzero(found.strength), np.arange(0, 24, 2))
    assert found.groups


def test_what_one_detector_believes_is_an_accident():
    assert not evidence([4, 9], [15]).strength.any()


def test_detectors_that_nothing_moves_suspect_nobody():
    assert evidence([], []).groups == ()
