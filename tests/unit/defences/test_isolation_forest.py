import numpy as np
from sklearn.base import clone

from dokunuki.corpus.layout import feature_layout
from dokunuki.defences.isolation_forest import IsolationForestFilter
from loud_poison import loud_rows, recall_and_precision, removed_by

LAYOUT = feature_layout(1)


def rows(poisoned, seed=0):
    return loud_rows(
        seed, 300, LAYOUT.width, LAYOUT.non_hashed[20:], poisoned, True, LAYOUT.non_hashed[:8]
    )


def test_a_loud_trigger_is_an_outlier():
    X, y, poison = rows(12)
    recall, precision = recall_and_precision(
        removed_by(IsolationForestFilter(LAYOUT), X, y), poison
    )
    assert recall >= 0.9
    assert precision >= 0.9


def test_without_poison_little_is_removed_and_of_goodware_only():
    X, y, _ = rows(0)
    removed = removed_by(IsolationForestFilter(LAYOUT), X, y)
    assert removed.mean() <= 0.02
    assert (y[removed] == 0).all()


def test_same_seed_same_rows_and_columns_outside_the_region_have_no_say(rng):
    X, y, _ = rows(12)
    ours = IsolationForestFilter(LAYOUT, features=4, seed=2**63 - 1)
    removed = removed_by(ours, X, y)
    assert set(ours.columns_) <= set(LAYOUT.non_hashed)
    X[:, LAYOUT.undefended] = rng.normal(size=(len(X), 512))
    np.testing.assert_array_equal(removed_by(clone(ours), X, y), removed)
