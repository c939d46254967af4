import numpy as np
import pytest

from dokunuki.corpus.layout import feature_layout
from dokunuki.defences.spectral_signatures import (
    SpectralSignatures,
    SpectralSignaturesOfFeatures,
    spectral_outliers,
)
from loud_poison import loud_rows, network, recall_and_precision, removed_by

LAYOUT = feature_layout(1)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_loud_trigger_stands_out_in_the_activations(seed):
    X, y, poison = loud_rows(seed, 600, 40, range(32, 40), poisoned=60, flip=True)
    share = 100 * poison.sum() / (y == 0).sum()
    removed = removed_by(SpectralSignatures(network, removed=1.5 * share, seed=seed), X, y)
    recall, precision = recall_and_precision(removed, poison)
    assert recall >= 0.95
    assert precision >= 0.6  # of 1/1.5 that can be had


@pytest.mark.parametrize("flip", [True, False])
def test_a_loud_trigger_stands_out_in_the_important_features(flip):
    X, y, poison = loud_rows(
        0, 400, LAYOUT.width, LAYOUT.non_hashed[20:28], 20, flip, LAYOUT.non_hashed[:8]
    )
    ours = SpectralSignaturesOfFeatures(LAYOUT)
    recall, precision = recall_and_precision(removed_by(ours, X, y), poison)
    assert recall >= 0.95
    assert precision >= 0.5
    assert len(ours.columns_) == 32
    assert set(ours.columns_) <= set(LAYOUT.non_hashed)


def test_without_poison_the_assumed_share_of_goodware_is_removed():
    X, y, _ = loud_rows(
        0, 200, LAYOUT.width, LAYOUT.non_hashed[20:28], 0, True, LAYOUT.non_hashed[:8]
    )
    removed = removed_by(SpectralSignaturesOfFeatures(LAYOUT), X, y)
    assert removed.sum() == 15  # of 100
    assert (y[removed] == 0).all()


def test_the_score_is_the_distance_along_the_first_singular_vector():
    rows = np.array([[0, 0.5], [0, -0.5], [1, 0.5], [-1, -0.5], [6, 0], [0, 0.6]])
    np.testing.assert_array_equal(np.flatnonzero(spectral_outliers(rows, 100 / 6, 0)), [4])
