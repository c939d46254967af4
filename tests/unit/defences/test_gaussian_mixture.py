import numpy as np
import pytest

from dokunuki.defences.gaussian_mixture import GaussianMixtureFilter
from dokunuki.errors import ConfigError
from loud_poison import loud_rows, recall_and_precision, removed_by

WIDTH = 16
TRIGGER = (10, 11, 12)
QUICK = {"kinds": 5, "starts": 1, "removed": 10.0}


def rows(poisoned, trigger=TRIGGER):
    return loud_rows(0, 400, WIDTH, trigger, poisoned, True)


@pytest.mark.parametrize("trigger", [TRIGGER, ()], ids=["trigger", "flipped labels alone"])
def test_a_few_flipped_rows_are_the_strangest(trigger):
    X, y, poison = rows(12, trigger)
    ours = GaussianMixtureFilter(**QUICK)
    removed = removed_by(ours, X, y)
    assert recall_and_precision(removed, poison)[0] == 1
    assert removed.sum() == round(0.1 * (y == 0).sum())
    assert not removed[y == 1].any()
    goodware = poison[y == 0]
    assert ours.scores_[goodware].min() > ours.scores_[~goodware].max()


def test_poison_of_a_small_component_hides_where_every_component_is_a_kind():
    X, y, poison = rows(12)
    as_published = GaussianMixtureFilter(**QUICK, smallest=1e-3)
    assert recall_and_precision(removed_by(as_published, X, y), poison)[0] < 0.5


def test_so_does_more_poison_than_a_component_may_hold():
    X, y, poison = rows(80)
    assert recall_and_precision(removed_by(GaussianMixtureFilter(**QUICK), X, y), poison)[0] < 0.5


def test_where_no_tree_splits_nothing_is_removed():
    X, y, _ = rows(0)
    ours = GaussianMixtureFilter(**QUICK)
    assert not removed_by(ours, X[:20], y[:20]).any()
    assert ours.kinds_ == 0
    np.testing.assert_array_equal(ours.scores_, np.zeros(10))


@pytest.mark.parametrize("name", ["components", "kinds", "starts", "smallest", "removed"])
def test_parameters_out_of_range_are_named(name):
    X, y, _ = rows(0)
    with pytest.raises(ConfigError, match=rf"{name}: 0 must be"):
        GaussianMixtureFilter(**{name: 0}).fit_resample(X, y)
