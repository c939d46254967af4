import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from dokunuki.defences.activation_clustering import ActivationClustering
from dokunuki.errors import ConfigError
from loud_poison import loud_rows, network, recall_and_precision, removed_by


@pytest.mark.parametrize("seed", [0, 1])
def test_a_loud_trigger_is_found_and_little_else_is_removed(seed):
    X, y, poison = loud_rows(seed, 600, 40, range(32, 40), poisoned=60, flip=True)
    removed = removed_by(ActivationClustering(network, seed=seed), X, y)
    recall, precision = recall_and_precision(removed, poison)
    assert recall >= 0.9
    assert precision >= 0.9


def test_without_poison_little_is_removed():
    X, y, _ = loud_rows(0, 600, 40, range(32, 40), poisoned=0, flip=True)
    assert removed_by(ActivationClustering(network), X, y).mean() <= 0.02


class Given:
    """A classifier whose hidden activations are the rows."""

    def fit(self, X, y):
        return self

    def hidden_activations(self, X):
        return X


def clusters(share, rng):
    """Two tight clusters of one class, `share` of 100 rows in the second; and another class."""
    activations = rng.normal(scale=0.01, size=(150, 2)).astype(np.float32)
    activations[:share, 0] += 1
    return activations, np.repeat([0, 1], [100, 50]).astype(np.int8)


@pytest.mark.parametrize(("share", "removed"), [(10, 10), (30, 30), (40, 0)])
def test_a_small_cluster_apart_is_removed_and_a_large_one_is_not(rng, share, removed):
    X, y = clusters(share, rng)
    ours = ActivationClustering(Given, silhouette=0.5)
    np.testing.assert_array_equal(removed_by(ours, X, y), np.arange(150) < removed)
    assert ours.shares_[0] == share
    assert ours.silhouettes_[0] > 0.5 > ours.silhouettes_[1]


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
def test_activations_that_are_all_equal_are_one_cluster(rng):
    X, y = clusters(10, rng)
    X[:100] = 1
    ours = ActivationClustering(Given)
    assert not removed_by(ours, X, y)[:100].any()
    assert (ours.shares_[0], ours.silhouettes_[0]) == (0, 0)


def test_clusters_that_are_not_apart_stay(rng):
    X, y = clusters(10, rng)
    assert not removed_by(ActivationClustering(Given, silhouette=0.99), X, y).any()


def test_a_classifier_without_hidden_layers_is_replaced_by_the_rows(rng):
    X, y = clusters(10, rng)
    ours = clone(ActivationClustering(LogisticRegression, silhouette=0.5))
    assert removed_by(ours, X, y).sum() == 10


def test_without_a_classifier_it_says_what_it_needs(rng):
    with pytest.raises(ConfigError, match="needs `classifier`"):
        ActivationClustering().fit_resample(*clusters(10, rng))
