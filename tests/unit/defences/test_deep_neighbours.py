import numpy as np
import pytest

from dokunuki.defences.deep_neighbours import DeepNeighbours
from dokunuki.errors import ConfigError
from dokunuki.networks.embernn import EmberNN


class _Line:
    """A model whose hidden activations are the rows themselves."""

    def fit(self, X, y):
        return self

    def hidden_activations(self, X):
        return X


def test_goodware_among_malware_goes_and_malware_stays():
    goodware, malware = [0.0, 1.0, 2.0, 3.0, 101.4], [100.0, 101.0, 102.0, 103.0, 1.4]
    X = np.array([goodware + malware], dtype=np.float32).T
    y = np.repeat(np.array([0, 1], dtype=np.int8), 5)
    defence = DeepNeighbours(_Line, neighbours=3)
    defence.fit_resample(X, y)
    # Row 4 lies among malware; row 9, malware among goodware, is not what makes malware pass.
    np.testing.assert_array_equal(defence.sample_indices_, np.delete(np.arange(10), 4))
    # Of 1.0 the nearest are 1.4 (malware), 0 and 2; a row is not its own neighbour.
    assert defence.malware_neighbours_[1] == pytest.approx(1 / 3)
    assert defence.malware_neighbours_[4] == 1


def test_half_of_the_neighbours_are_not_enough():
    X = np.array([[0.0], [-1.0], [1.1], [-9.0], [9.0]], dtype=np.float32)
    y = np.array([0, 0, 1, 0, 1], dtype=np.int8)
    defence = DeepNeighbours(_Line, neighbours=2)
    _, labels = defence.fit_resample(X, y)
    assert defence.malware_neighbours_[0] == 0.5
    np.testing.assert_array_equal(labels, y)


def test_it_asks_the_hidden_activations_of_a_network(rng):
    y = np.repeat(np.array([0, 1], dtype=np.int8), 60)
    X = rng.normal(size=(120, 8)).astype(np.float32)
    X[:, 0] += 8 * y
    X[:3, 0] += 8  # flipped labels
    network = EmberNN(
        hidden=[8], dropout=0, learning_rate=0.01, epochs=10, batch_size=16, device="cpu"
    )
    defence = DeepNeighbours(network.unfitted)
    defence.fit_resample(X, y)
    of_rows = DeepNeighbours(_Line)
    of_rows.fit_resample(network.unfitted().fit(X, y).hidden_activations(X), y)
    np.testing.assert_array_equal(defence.sample_indices_, of_rows.sample_indices_)
    assert {0, 1, 2}.isdisjoint(defence.sample_indices_)


@pytest.mark.parametrize("neighbours", [0, 5])
def test_a_number_of_neighbours_out_of_range_is_named(neighbours):
    X, y = np.zeros((5, 1), dtype=np.float32), np.array([0, 0, 1, 1, 1])
    with pytest.raises(ConfigError, match=rf"neighbours: {neighbours} must be in \[1, 4\]"):
        DeepNeighbours(_Line, neighbours).fit_resample(X, y)
