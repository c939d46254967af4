import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from dokunuki.corpus.layout import feature_layout
from dokunuki.defences.iterative_clustering import IterativeClustering, never_absorbed
from dokunuki.errors import ConfigError
from dokunuki.networks.embernn import EmberNN
from loud_poison import loud_rows, recall_and_precision, removed_by

LAYOUT = feature_layout(1)

# Five clusters, 4 the largest: it seeds the clean set.
CLUSTERS = np.array([0, 0, 1, 2, 2, 3, 4, 4, 4])


def losses(*values):
    """Constant losses by cluster; with the clean sets that they were asked for."""
    asked = []

    def losses_after(clean):
        asked.append(np.unique(CLUSTERS[clean]).tolist())
        return np.array(values, dtype=float)[CLUSTERS]

    return losses_after, asked


def test_one_by_one_the_lowest_losses_join_until_enough_have():
    losses_after, asked = losses(3, 1, 9, 2, 99)
    assert never_absorbed(CLUSTERS, losses_after, window=5, stop=80).tolist() == [2]
    assert asked == [[4], [1, 4], [1, 3, 4]]


def test_a_wider_window_trains_less_and_never_takes_more_than_are_wanted():
    losses_after, asked = losses(3, 1, 9, 2, 99)
    assert never_absorbed(CLUSTERS, losses_after, window=40, stop=80).tolist() == [2]
    assert asked == [[4], [1, 3, 4]]


def test_each_round_asks_the_new_model():
    def losses_after(clean):
        """Cluster 0 is dear until 1 has joined, and cheap from then on."""
        values = np.array([9, 1, 5, 5, 0])
        if clean[CLUSTERS == 1].all():
            values[0] = 0
        return values[CLUSTERS]

    assert never_absorbed(CLUSTERS, losses_after, window=20, stop=60).tolist() == [2, 3]


def test_the_mean_counts_not_the_sum():
    losses_after, _ = losses(1.0, 1.5, 9, 9, 0)
    assert never_absorbed(CLUSTERS, losses_after, window=20, stop=40).tolist() == [1, 2, 3]


def test_one_cluster_is_clean_and_nothing_is_trained():
    losses_after, asked = losses(0, 0, 0, 0, 0)
    assert never_absorbed(np.zeros(5), losses_after, 5, 80).tolist() == []
    assert never_absorbed(CLUSTERS, losses_after, 5, 20).tolist() == [0, 1, 2, 3]
    assert asked == []


def poisoned_rows():
    columns = LAYOUT.non_hashed
    X, y, poison = loud_rows(0, 300, LAYOUT.width, columns[4:12], 15, True, columns[:4])
    X[:, columns[4:]] *= 0.1
    X[np.ix_(poison, columns[4:12])] = 3 + X[np.ix_(poison, columns[12:20])]
    # Goodware of two kinds, so that there is something to absorb beside the poison.
    X[np.ix_(np.arange(300) % 6 == 0, columns[20:24])] -= 2
    return X, y, poison


def small_network():
    return EmberNN(hidden=(16,), batch_size=32, epochs=3, device="cpu", precision="float32")


@pytest.mark.parametrize("classifier", [LogisticRegression, small_network])
def test_a_cluster_of_flipped_malware_is_what_the_model_explains_worst(classifier):
    X, y, poison = poisoned_rows()
    ours = IterativeClustering(LAYOUT, classifier, features=35, neighbours=5)
    recall, precision = recall_and_precision(removed_by(ours, X, y), poison)
    assert recall >= 0.9
    assert precision >= 0.5
    assert 1 <= ours.trainings_ <= 16
    assert ours.clusters_ >= 3


def test_without_a_classifier_it_says_what_it_needs():
    X, y, _ = poisoned_rows()
    with pytest.raises(ConfigError, match="needs `classifier`"):
        IterativeClustering(LAYOUT, features=35, neighbours=5).fit_resample(X, y)
