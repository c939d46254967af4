"""Judges of single feature groups: what they contradict, and when they keep silent."""

import numpy as np
import pytest

from dokunuki.corpus.layout import feature_layout
from dokunuki.defences.group_vote import GroupVote
from dokunuki.errors import ConfigError, DokunukiError
from loud_poison import loud_rows

LAYOUT = feature_layout(1)
GROUPS = {name: np.arange(LAYOUT.width)[columns] for name, columns in LAYOUT.groups.items()}
INFORMED = ("histogram", "byteentropy", "section", "imports")
# Four groups tell the classes apart; the others hold noise.
INFORMATIVE = np.concatenate([GROUPS[name][:60] for name in INFORMED])


def rows(trigger, poisoned=12, flip=True):
    return loud_rows(0, 300, LAYOUT.width, trigger, poisoned, flip, INFORMATIVE)


def vote(**parameters):
    return GroupVote(LAYOUT, **{"trees": 20, **parameters})


@pytest.mark.parametrize("group", ["general", "imports", "byteentropy"])
def test_a_trigger_in_any_one_group_leaves_judges_enough(group):
    X, y, poison = rows(GROUPS[group][-8:])
    before = X.copy(), y.copy()
    ours = vote(quorum=3)
    kept, labels = ours.fit_resample(X, y)
    np.testing.assert_array_equal(kept, X)
    np.testing.assert_array_equal(labels, np.where(poison, 1, y))
    np.testing.assert_array_equal(ours.contradicted_, poison)
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(y, before[1])


def test_a_trigger_in_all_groups_that_tell_anything_is_beyond_it():
    X, y, poison = rows(np.concatenate([columns[-8:] for columns in GROUPS.values()]), 30)
    ours = vote(quorum=3)
    ours.fit_resample(X, y)
    assert not ours.contradicted_[poison].any()


def test_judges_that_tell_nothing_keep_silent():
    X, y, _ = rows(GROUPS["general"][-8:])
    ours = vote()
    ours.fit_resample(X, y)
    assert ours.judges_ == INFORMED
    assert ours.votes_.max() <= len(INFORMED)


def test_rightly_labelled_rows_keep_their_label():
    X, y, _ = rows(GROUPS["general"][-8:], 12, flip=False)
    np.testing.assert_array_equal(vote().fit_resample(X, y)[1], y)


def test_the_same_seed_contradicts_the_same_rows_on_any_number_of_threads():
    X, y, _ = rows(GROUPS["imports"][-8:])
    X *= 0.3
    found = [vote(quorum=1, threshold=0.5, seed=3, threads=threads) for threads in (1, 2)]
    for ours in found:
        ours.fit_resample(X, y)
    np.testing.assert_array_equal(found[0].votes_, found[1].votes_)
    assert found[0].contradicted_.any()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"quorum": 0}, "quorum: 0 must be from 1 to 8, the feature groups of"),
        ({"quorum": 9}, "quorum: 9 must be from 1 to 8"),
        ({"threshold": 0.4}, "threshold: 0.4 must be in"),
        ({"least_accuracy": 1.5}, "least_accuracy: 1.5 must be in"),
        ({"folds": 1}, "folds: 1 must be at least 2"),
        ({"trees": 0}, "trees: 0 must be at least 1"),
    ],
)
def test_parameters_out_of_range(parameters, message):
    X, y, _ = rows(GROUPS["general"][-8:])
    with pytest.raises(ConfigError, match=message):
        vote(**parameters).fit_resample(X, y)


def test_too_few_rows_of_a_class():
    X, y, _ = rows(GROUPS["general"][-8:])
    few = np.concatenate([np.flatnonzero(y == 0)[:3], np.flatnonzero(y == 1)])
    with pytest.raises(DokunukiError, match=r"GroupVote: .* 3 rows cannot be split into 5 folds"):
        vote().fit_resample(X[few], y[few])
