import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from dokunuki.corpus.layout import feature_layout
from dokunuki.defences.iterative_clustering import NOISE, IterativeClustering, never_absorbed
from dokunuki.errors import ConfigError
from dokunuki.networks.embernn import EmberNN
from loud_poison import loud_rows, recall_and_precision, removed_by

LAYOUT = feature_layout(1)

# Five clusters, 4 the largest: it seeds the clean set.
CLUSTERS = np.array([0, 0, 1, 2, 2, 3, 4, 4, 4])


def losses(*values, clusters=CLUSTERS):
    """Constant losses by cluster; with the clean sets that they were asked for."""
    asked = []

    def losses_after(clean):
        asked.append(np.unique(clusters[clean]).tolist())
        return np.array(values, dtype=float)[clusters]

    return losses_after, asked


def left(clusters, losses_after, window, stop):
    """The clusters of the rows that are left; a cluster is left whole or not at all."""
    rows = never_absorbed(clusters, losses_after, window, stop)
    assert rows.dtype == bool
    names = np.unique(clusters[rows])
    np.testing.assert_array_equal(rows, np.isin(clusters, names))
    return names.tolist()


def test_one_by_one_the_lowest_losses_join_until_enough_have():
    losses_after, asked = losses(3, 1, 9, 2, 99)
    assert left(CLUSTERS, losses_after, window=5, stop=80) == [2]
    assert asked == [[4], [1, 4], [1, 3, 4]]


def test_a_wider_window_trains_less_and_never_takes_more_than_are_wanted():
    losses_after, asked = losses(3, 1, 9, 2, 99)
    assert left(CLUSTERS, losses_after, window=40, stop=80) == [2]
    assert asked == [[4], [1, 3, 4]]


def test_each_round_asks_the_new_model():
    def losses_after(clean):
        """Cluster 0 is dear until 1 has joined, and cheap from then on."""
        values = np.array([9, 1, 5, 5, 0])
        if clean[CLUSTERS == 1].all():
            values[0] = 0
        return values[CLUSTERS]

    assert left(CLUSTERS, losses_after, window=20, stop=60) == [2, 3]


def test_the_mean_counts_not_the_sum():
    losses_after, _ = losses(1.0, 1.5, 9, 9, 0)
    assert left(CLUSTERS, losses_after, window=20, stop=40) == [1, 2, 3]


def test_one_cluster_is_clean_and_nothing_is_trained():
    losses_after, asked = losses(0, 0, 0, 0, 0)
    assert left(np.zeros(5, dtype=int), losses_after, window=5, stop=80) == []
    assert left(CLUSTERS, losses_after, window=5, stop=20) == [0, 1, 2, 3]
    assert asked == []


def test_noise_is_no_cluster_though_it_be_the_largest():
    """Each of its rows joins, or is left, by its own loss, and counts as one cluster."""
    clusters = np.array([NOISE, 0, NOISE, 0, 1, NOISE, NOISE, 1, 1])
    own = np.array([7.0, 2, 1, 4, 0, 9, 3, 0, 0])
    asked = []

    def losses_after(clean):
        asked.append(np.flatnonzero(clean).tolist())
        return own

    rows = never_absorbed(clusters, losses_after, window=20, stop=70)
    assert asked == [[4, 7, 8], [1, 2, 3, 4, 7, 8]]
    assert np.flatnonzero(rows).tolist() == [0, 5]


def test_where_all_is_noise_nothing_is_removed():
    losses_after, asked = losses(0, 0, 0, 0, 0)
    assert not never_absorbed(np.full(9, NOISE), losses_after, window=5, stop=80).any()
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


def planted_rows():
    """Goodware in two clusters and far-flung noise; flipped malware in a cluster and in the noise.

    Noise is the largest of all groups. Also returned: which rows are poison, and which are noise.
    """
    rng = np.random.default_rng(3)
    X = np.zeros((500, LAYOUT.width), dtype=np.float32)
    X[:, LAYOUT.non_hashed] = rng.normal(scale=0.1, size=(500, len(LAYOUT.non_hashed)))
    y = np.repeat([0, 1], [300, 200]).astype(np.int8)
    first, second, poison, noise = np.split(np.arange(300), [90, 150, 180])
    X[first, LAYOUT.non_hashed[0]] += 15
    X[second, LAYOUT.non_hashed[0]] += 20
    X[np.ix_(noise, LAYOUT.non_hashed)] *= np.geomspace(20, 200, len(noise))[:, None]
    X[noise, LAYOUT.non_hashed[0]] = 15
    flipped = np.concatenate([poison, noise[::6]])
    X[flipped, LAYOUT.non_hashed[0]] = -15
    X[np.arange(300, 500), LAYOUT.non_hashed[0]] = -15
    X[np.ix_(poison, LAYOUT.non_hashed[1:5])] += 4
    return X, y, np.isin(np.arange(500), flipped), np.isin(np.arange(500), noise)


def test_the_clean_set_starts_without_noise_and_poison_is_found_there_too():
    X, y, poison, noise = planted_rows()
    rounds = []

    class Recording(LogisticRegression):
        def fit(self, X, y):
            rounds.append(X[y == 0])
            return super().fit(X, y)

    ours = IterativeClustering(LAYOUT, Recording, features=35, neighbours=5, window=10)
    removed = removed_by(ours, X, y)
    first = {row.tobytes() for row in rounds[0]}
    trusted = np.array([row.tobytes() in first for row in X])
    assert trusted.sum() == len(rounds[0])
    assert ours.noise_ >= 0.9 * noise.sum() > (~noise & (y == 0)).sum() / 3
    assert not (trusted & (noise | poison)).any()
    assert len(rounds) == ours.trainings_
    assert removed[poison & noise].mean() >= 0.9
    assert removed[poison & ~noise].mean() >= 0.9
    assert removed[~poison & noise].mean() <= 0.5


def test_without_a_classifier_it_says_what_it_needs():
    X, y, _ = poisoned_rows()
    with pytest.raises(ConfigError, match="needs `classifier`"):
        IterativeClustering(LAYOUT, features=35, neighbours=5).fit_resample(X, y)
