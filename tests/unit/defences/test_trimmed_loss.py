import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from dokunuki.defences.trimmed_loss import TrimmedLoss
from dokunuki.errors import ConfigError


@pytest.fixture
def rows(rng):
    """Goodware at -2, malware at 2; rows 3 and 7 lie among malware and are called goodware."""
    y = np.repeat(np.array([0, 1], dtype=np.int8), 20)
    X = (4.0 * y - 2 + 0.1 * rng.normal(size=40)).astype(np.float32)[:, None]
    X[[3, 7]] = 2.0
    # Malware among goodware: it fits as badly, and stays.
    X[30] = -2.0
    return X, y


@pytest.mark.parametrize("rounds", [1, 3])
def test_goodware_with_the_largest_losses_goes(rows, rounds):
    X, y = rows
    defence = TrimmedLoss(LogisticRegression, removed=5, rounds=rounds)
    kept, labels = defence.fit_resample(X, y)
    np.testing.assert_array_equal(defence.sample_indices_, np.delete(np.arange(40), [3, 7]))
    np.testing.assert_array_equal(kept, X[defence.sample_indices_])
    np.testing.assert_array_equal(labels, y[defence.sample_indices_])


def test_losses_are_those_of_a_classifier_trained_on_what_the_round_before_left(rows):
    X, y = rows
    defence = TrimmedLoss(LogisticRegression, removed=5, rounds=2)
    defence.fit_resample(X, y)
    left = np.delete(np.arange(40), [3, 7])
    model = LogisticRegression().fit(X[left], y[left])
    np.testing.assert_allclose(
        defence.losses_, -np.log(model.predict_proba(X[:20])[:, 0]), rtol=1e-6
    )


def test_some_goodware_is_left_however_much_is_to_go(rows):
    X, y = rows
    _, labels = TrimmedLoss(LogisticRegression, removed=90, rounds=1).fit_resample(X, y)
    assert (labels == 0).sum() == 1


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"classifier": None}, "needs `classifier`"),
        ({"removed": 0}, r"removed: 0 must be in \(0, 100\)"),
        ({"removed": 100}, "removed: 100"),
        ({"rounds": 0}, "rounds: 0 must be at least 1"),
    ],
)
def test_a_parameter_out_of_range_is_named(rows, parameters, message):
    with pytest.raises(ConfigError, match=message):
        TrimmedLoss(**{"classifier": LogisticRegression} | parameters).fit_resample(*rows)
