import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from dokunuki.defences.mixup import BatchMixer, Mixup
from dokunuki.defences.protocol import defence_kind
from dokunuki.errors import ConfigError
from dokunuki.networks.embernn import EmberNN


def _network(**changes):
    return EmberNN(
        **{
            "hidden": [16],
            "dropout": 0.0,
            "batch_size": 32,
            "epochs": 20,
            "learning_rate": 0.01,
            "device": "cpu",
            **changes,
        }
    )


@pytest.fixture
def toy(rng):
    X = rng.normal(size=(300, 6)).astype(np.float32)
    return X, (X[:, 0] > 0).astype(np.int8)


def test_a_batch_is_mixed_with_itself_by_one_share_for_rows_and_labels():
    # One-hot rows tell who was mixed with whom, and by how much.
    rows, targets = torch.eye(8), torch.tensor([0.0, 1.0] * 4)
    mixed, soft = BatchMixer(1.0, seed=3)(rows, targets)
    np.testing.assert_allclose(mixed.sum(dim=1), 1, rtol=1e-6)
    np.testing.assert_allclose(mixed.sum(dim=0), 1, rtol=1e-6)
    np.testing.assert_allclose(mixed @ targets, soft, rtol=1e-6)
    shares = np.unique(np.round(mixed[mixed > 0], 5))
    assert 1 < len(shares) <= 3  # the share, one less it, and 1 for a row that met itself
    assert shares[0] + shares[-1 if len(shares) == 2 else -2] == pytest.approx(1, abs=1e-4)
    np.testing.assert_array_equal(rows, torch.eye(8))


def test_a_tiny_alpha_leaves_batches_as_they_are_but_for_their_order():
    rows = torch.arange(12.0).reshape(6, 2)
    mixer = BatchMixer(1e-6, seed=0)
    for _ in range(20):
        mixed, _ = mixer(rows, rows[:, 0])
        assert sorted(mixed[:, 0].tolist()) == pytest.approx(rows[:, 0].tolist(), abs=1e-4)


def test_the_plain_loop_trains_it_as_the_engine_does(toy, monkeypatch):
    X, y = toy
    defence = Mixup(_network(epochs=3, precision="float32"))
    engine = defence.fit(X, y).predict_proba(X)
    monkeypatch.setattr("dokunuki.networks.engine.supports", lambda network: False)
    np.testing.assert_allclose(defence.fit(X, y).predict_proba(X), engine, atol=1e-4)


def test_trains_a_network_that_is_less_sure_than_plain_training(toy):
    X, y = toy
    plain = _network().fit(X, y)
    mixed = Mixup(_network(), alpha=1.0).fit(X, y)
    assert mixed.score(X, y) > 0.9
    sure = [np.abs(model.predict_proba(X)[:, 1] - 0.5).mean() for model in (plain, mixed)]
    assert sure[1] < sure[0]
    assert mixed.classes_.tolist() == [0, 1]


def test_the_seed_decides(toy):
    X, y = toy
    one, other = (Mixup(_network(epochs=2), seed=seed).fit(X, y) for seed in (1, 2))
    assert not np.array_equal(one.predict_proba(X), other.predict_proba(X))


def test_what_it_is_and_what_it_refuses(toy):
    assert defence_kind(Mixup()) == "meta-estimator"
    with pytest.raises(ConfigError, match="LogisticRegression has no fit_more"):
        Mixup(LogisticRegression()).fit(*toy)
    with pytest.raises(ConfigError, match="alpha"):
        Mixup(_network(), alpha=0).fit(*toy)
