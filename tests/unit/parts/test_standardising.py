import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dokunuki.parts.estimator import NotFittedError
from dokunuki.parts.standardising import Standardiser


def rows_with_tails(rng, rows=5000):
    X = rng.lognormal(3, 2, size=(rows, 6)).astype(np.float32)
    X[:, 2] = 7.1  # constant
    X[:, 3] += 4e9  # time stamps: beyond float32's precision once squared
    return X


def test_training_rows_come_out_as_scikit_learns_scaler_has_them(rng):
    X = rows_with_tails(rng)
    expected = StandardScaler().fit_transform(X.astype(np.float64))
    expected[:, 2] = 0.0
    np.testing.assert_allclose(Standardiser().fit_transform(X), expected, rtol=1e-5, atol=1e-5)


def test_unseen_rows_are_clipped_to_the_range_of_the_training_rows(rng):
    X = rows_with_tails(rng)
    scaler = Standardiser().fit(X)
    beyond = np.vstack([X.min(axis=0) - 1000, X.max(axis=0) * 2])
    edge = scaler.transform(np.vstack([X.min(axis=0), X.max(axis=0)]))
    np.testing.assert_array_equal(scaler.transform(beyond), edge)
    assert not scaler.transform(beyond)[:, 2].any()  # constant in training: says nothing


def test_file_round_trip_and_pipeline(rng, tmp_path):
    X = rows_with_tails(rng, rows=300)
    scaler = make_pipeline(Standardiser()).fit(X)[0]
    scaler.save(tmp_path / "scaler.safetensors")
    again = Standardiser.load(tmp_path / "scaler.safetensors")
    np.testing.assert_array_equal(again.transform(X), scaler.transform(X))


def test_transform_before_fit_says_so():
    with pytest.raises(NotFittedError, match="Standardiser is not fitted"):
        Standardiser().transform(np.zeros((1, 1)))
