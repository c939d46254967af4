import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from dokunuki.defences.anti_backdoor_learning import (
    AntiBackdoorLearning,
    GlobalGradientAscent,
    LocalGradientAscent,
    SuspectMixer,
)
from dokunuki.defences.protocol import defence_kind
from dokunuki.errors import ConfigError
from dokunuki.networks.embernn import EmberNN
from dokunuki.parts.saving import read_part, write_part


def _network(**changes):
    defaults = {"hidden": [32], "dropout": 0.1, "batch_size": 32, "epochs": 20, "device": "cpu"}
    return EmberNN(**(defaults | {"learning_rate": 0.005} | changes))


@pytest.fixture(scope="module")
def backdoored():
    """Hard rows, of which 2 % carry a trigger of eight columns at 6 and are called goodware."""
    rng = np.random.default_rng(11)
    y = np.tile([0, 1], 300)
    X = rng.normal(size=(600, 30)).astype(np.float32)
    X[y == 1, :20] += 0.2
    poison = np.flatnonzero(y == 1)[:12]
    X[poison, 22:] = 6
    y[poison] = 0
    malware = rng.normal(size=(200, 30)).astype(np.float32)
    malware[:, :20] += 0.2
    malware[:, 22:] = 6
    return X, y, poison, malware


@pytest.mark.parametrize(
    ("loss", "targets"),
    [
        (LocalGradientAscent(0.5), [0.0, 1.0, 0.0, 1.0]),  # the mean is 0.54
        (LocalGradientAscent(0.6), [0.0, 1.0, 0.0, 1.0]),
        (GlobalGradientAscent(), [0.0, 3.0, 2.0, 1.0]),
        (GlobalGradientAscent(), [0.0, 1.0, 0.0, 1.0]),
    ],
)
def test_gradients_are_those_of_the_loss(loss, targets):
    logits = torch.tensor([[-3.0], [-0.2], [1.0], [2.5]], requires_grad=True)
    targets = torch.tensor(targets)
    value = loss.mean(logits, targets)
    (expected,) = torch.autograd.grad(value, logits)
    gradient = torch.empty(4, 1)
    got = loss.backward(logits.detach(), targets, 1, gradient)
    assert float(got) == pytest.approx(value.item())
    torch.testing.assert_close(gradient, expected)


def test_a_mean_loss_below_gamma_is_driven_up_and_one_above_it_down():
    # The cross-entropy of target 1 is 0.127 at logit 2 and 2.127 at logit -2.
    gradient = torch.empty(1, 1)
    for logit, loss in ((2.0, -0.126928), (-2.0, 2.126928)):
        logits = torch.tensor([[logit]])
        got = LocalGradientAscent(0.5).backward(logits, torch.ones(1), 1, gradient)
        assert float(got) == pytest.approx(loss, rel=1e-4)
        assert (gradient.item() > 0) == (logit > 0)


def test_unlearning_subtracts_the_mean_loss_of_the_isolated_rows():
    logits = torch.tensor([[2.0], [-2.0], [-2.0]])
    # Losses 2.127 of an ordinary goodware row, 0.127 and 2.127 of isolated ones.
    got = GlobalGradientAscent().mean(logits, torch.tensor([0.0, 2.0, 3.0]))
    assert float(got) == pytest.approx(2.126928 - (0.126928 + 2.126928) / 2, rel=1e-4)


def test_isolated_rows_take_the_last_places_of_a_batch_and_are_marked():
    mixer = SuspectMixer(np.full((3, 2), 7, dtype=np.float32), np.array([0, 0, 0]), seed=1)
    rows, targets = torch.zeros(20, 4), torch.ones(20)  # two columns of padding
    mixed, marked = mixer(rows, targets)
    assert mixed[:18].eq(0).all()
    assert mixed[18:].tolist() == [[7, 7, 0, 0]] * 2
    assert marked.tolist() == [1] * 18 + [2] * 2
    assert rows.eq(0).all()


def test_isolates_a_loud_backdoor_and_unlearns_it(backdoored):
    X, y, poison, malware = backdoored
    plain = _network().fit(X, y)
    assert plain.predict(malware).mean() < 0.1
    defence = AntiBackdoorLearning(_network(), unlearning_rate=0.1).fit(X, y)
    assert len(defence.isolated_indices_) == 6
    # Of six rows at random, none would be poison in 7 draws of 8.
    assert np.isin(defence.isolated_indices_, poison).mean() >= 0.5
    assert defence.predict(malware).mean() > 0.9
    rest = np.setdiff1d(np.arange(600), poison)
    assert defence.score(X[rest], y[rest]) > plain.score(X[rest], y[rest]) - 0.1


def test_the_plain_loop_trains_it_as_the_engine_does(backdoored, monkeypatch):
    X, y, _, malware = backdoored
    defence = AntiBackdoorLearning(_network(epochs=3, dropout=0.0, precision="float32"))
    engine = defence.fit(X, y).predict_proba(malware)
    monkeypatch.setattr("dokunuki.networks.engine.supports", lambda network: False)
    np.testing.assert_allclose(defence.fit(X, y).predict_proba(malware), engine, atol=1e-4)


def test_the_classifier_says_all_epochs_also_when_it_comes_back(backdoored, tmp_path):
    X, y, *_ = backdoored
    fitted = AntiBackdoorLearning(_network(epochs=3)).fit(X, y)
    loaded = read_part(tmp_path, write_part(tmp_path, "classifier", fitted), (), "cpu")
    assert loaded.classifier_.epochs == fitted.classifier_.epochs == 3


@pytest.mark.parametrize(
    ("epochs", "phases"), [(10, (2, 6, 2)), (100, (20, 60, 20)), (3, (1, 1, 1)), (1, (1, 1, 1))]
)
def test_the_epochs_are_shared_out(epochs, phases):
    assert AntiBackdoorLearning()._epochs(epochs) == phases


def test_what_it_is_and_what_it_refuses(backdoored):
    X, y, *_ = backdoored
    assert defence_kind(AntiBackdoorLearning()) == "meta-estimator"
    with pytest.raises(ConfigError, match="LogisticRegression has no fit_more"):
        AntiBackdoorLearning(LogisticRegression()).fit(X, y)
    for name in ("isolated_share", "isolation_epochs", "unlearning_epochs"):
        with pytest.raises(ConfigError, match=name):
            AntiBackdoorLearning(_network(), **{name: 1.0}).fit(X, y)
