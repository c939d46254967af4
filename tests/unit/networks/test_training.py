import copy
import logging
import math

import numpy as np
import pytest
import torch
from torch import nn

from dokunuki.errors import ConfigError, DokunukiError
from dokunuki.networks.autoencoder import Autoencoder
from dokunuki.networks.embernn import dense_network
from dokunuki.networks.layers import GaussianNoise
from dokunuki.networks.losses import CrossEntropy, SquaredLoss
from dokunuki.networks.settings import TrainingDivergedError, TrainingSettings
from dokunuki.networks.training import train

UNSUPPORTED = "dokunuki.networks.engine.supports"


@pytest.fixture(params=["engine", "plain"])
def either(request, monkeypatch):
    """Both ways of training keep all promises."""
    if request.param == "plain":
        monkeypatch.setattr(UNSUPPORTED, lambda network: False)


def _generator(seed=1):
    return torch.Generator().manual_seed(seed)


def _line(values=(0.0,)):
    """A network with one weight per column, which starts at `values`, and a bias of 0."""
    network = nn.Linear(len(values), 1)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([values]))
        network.bias.zero_()
    return network


class _Squared(SquaredLoss):
    """The squared error of one column and labels."""

    @staticmethod
    def mean(outputs, targets):
        return SquaredLoss.mean(outputs[:, 0], targets)

    @staticmethod
    def backward(outputs, targets, width, gradient):
        return SquaredLoss.backward(outputs, targets[:, None], width, gradient)


@pytest.mark.usefixtures("either")
def test_one_step_of_sgd_is_the_step_worked_by_hand():
    # loss = mean((w x + b - y)^2) at 0 for x = 1, 2 and y = 1, 2: gradients -5 by w and -3 by b.
    network = _line()
    X, y = np.array([[1.0], [2.0]]), np.array([1.0, 2.0])
    settings = TrainingSettings(
        optimiser="sgd", learning_rate=0.1, momentum=0.0, epochs=1, batch_size=2
    )
    history = train(network, _Squared, X, y, settings, _generator(), "toy")
    assert network.weight.item() == pytest.approx(0.5)
    assert network.bias.item() == pytest.approx(0.3)
    assert history.loss == [pytest.approx(2.5)]


@pytest.mark.usefixtures("either")
@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_a_linear_law_is_found(rng, optimiser, schedule):
    X = rng.normal(size=(200, 2))
    y = X @ [2.0, -1.0]
    settings = TrainingSettings(
        optimiser=optimiser, learning_rate=0.05, schedule=schedule, epochs=60, batch_size=32
    )
    network = _line((0.0, 0.0))
    history = train(network, _Squared, X, y, settings, _generator(), "toy", validation=(X, y))
    np.testing.assert_allclose(network.weight.detach().numpy(), [[2.0, -1.0]], atol=0.02)
    assert len(history.loss) == len(history.validation_loss) == 60
    assert history.validation_loss[-1] < 1e-3 < history.loss[0]


def _constant_gradient(seen):
    """A loss with the gradient 1 for every weight; `seen` collects the batches' targets."""

    class Loss(SquaredLoss):
        @staticmethod
        def mean(outputs, targets):
            seen.append(targets.flatten().tolist())
            return outputs.mean()

        @staticmethod
        def backward(outputs, targets, width, gradient):
            seen.append(targets.flatten().tolist())
            gradient.fill_(1 / len(outputs))
            return outputs.float().mean()

    return Loss


@pytest.mark.usefixtures("either")
def test_cosine_lowers_the_learning_rate():
    # Adam's first step is the learning rate itself; with a constant gradient so are all others.
    X = np.ones((2, 1))
    moved = {}
    for schedule in ("constant", "cosine"):
        network = _line()
        settings = TrainingSettings(
            optimiser="adam", learning_rate=0.1, schedule=schedule, epochs=4, batch_size=2
        )
        train(network, _constant_gradient([]), X, None, settings, _generator(), "toy")
        moved[schedule] = -network.weight.item()
    assert moved["constant"] == pytest.approx(0.4, rel=1e-4)
    rates = [0.05 * (1 + math.cos(math.pi * epoch / 4)) for epoch in range(4)]
    assert moved["cosine"] == pytest.approx(sum(rates), rel=1e-4)


@pytest.mark.usefixtures("either")
def test_last_batch_counts_unless_it_is_a_single_row():
    seen = []
    settings = TrainingSettings(optimiser="sgd", epochs=1, batch_size=4)
    for rows in (10, 9):
        X = np.ones((rows, 1))
        train(_line(), _constant_gradient(seen), X, None, settings, _generator(), "toy")
    assert [len(batch) for batch in seen] == [4, 4, 2, 4, 4]


@pytest.mark.usefixtures("either")
def test_every_row_is_met_once_per_epoch_in_an_order_that_changes():
    met = []
    X = np.arange(8.0)[:, None]
    settings = TrainingSettings(optimiser="sgd", learning_rate=1e-3, epochs=2, batch_size=8)
    train(_line(), _constant_gradient(met), X, None, settings, _generator(), "toy")
    assert [sorted(order) for order in met] == [list(range(8))] * 2
    assert met[0] != met[1]


@pytest.mark.usefixtures("either")
def test_divergence_is_raised_with_epoch_and_loss():
    settings = TrainingSettings(optimiser="sgd", learning_rate=1e30, epochs=5, batch_size=2)
    X, y = np.array([[1.0], [2.0]]), np.array([1.0, 2.0])
    with pytest.raises(TrainingDivergedError, match="lower learning_rate") as caught:
        train(_line(), _Squared, X, y, settings, _generator(), "toy")
    assert caught.value.epoch == 2
    assert not math.isfinite(caught.value.loss)
    assert isinstance(caught.value, DokunukiError)


@pytest.mark.usefixtures("either")
def test_divergence_in_the_very_last_step_is_found_in_the_weights():
    settings = TrainingSettings(optimiser="sgd", learning_rate=1e38, epochs=1, batch_size=2)
    X, y = np.array([[10.0], [20.0]]), np.array([10.0, 20.0])
    with pytest.raises(TrainingDivergedError) as caught:
        train(_line(), _Squared, X, y, settings, _generator(), "toy")
    assert caught.value.epoch == 1


@pytest.mark.usefixtures("either")
def test_global_random_state_is_left_alone_and_has_no_say():
    def run(state):
        network = nn.Sequential(nn.Dropout(0.5), _line((1.0,) * 8))
        settings = TrainingSettings(optimiser="sgd", learning_rate=0.01, epochs=2, batch_size=4)
        torch.manual_seed(state)
        train(network, _Squared, np.ones((9, 8)), np.ones(9), settings, _generator(), "toy")
        return network[1].weight.detach().numpy()

    first = run(0)
    after = torch.rand(3)
    torch.manual_seed(0)
    assert torch.equal(after, torch.rand(3))
    np.testing.assert_array_equal(first, run(1))


@pytest.mark.usefixtures("either")
def test_loss_is_logged_per_epoch(caplog):
    caplog.set_level(logging.INFO, "dokunuki")
    settings = TrainingSettings(optimiser="sgd", epochs=1, batch_size=2)
    train(_line(), _Squared, np.ones((2, 1)), np.ones(2), settings, _generator(), "toy")
    assert "toy [####" in caplog.text
    assert "loss 1" in caplog.text


@pytest.mark.usefixtures("either")
def test_a_single_row_is_refused():
    with pytest.raises(DokunukiError, match="1 training rows"):
        train(_line(), _Squared, np.ones((1, 1)), np.ones(1), TrainingSettings(), _generator(), "x")


@pytest.mark.usefixtures("either")
def test_settings_out_of_range_are_refused():
    settings = TrainingSettings(epochs=0)
    with pytest.raises(ConfigError, match=r"^epochs: 0 must be at least 1"):
        train(_line(), _Squared, np.ones((2, 1)), np.ones(2), settings, _generator(), "x")


@pytest.mark.usefixtures("either")
def test_batches_are_augmented_before_the_network_sees_them():
    # y = 3 x for the rows that are met, doubled and with doubled targets; not for those watched.
    X = np.ones((4, 1))

    def double(rows, targets):
        return rows * 2, targets * 2

    settings = TrainingSettings(optimiser="sgd", momentum=0, learning_rate=0.1, epochs=1)
    network, y = _line(), np.full(4, 3.0)
    history = train(
        network, _Squared, X, y, settings, _generator(), "x", validation=(X, y), augment=double
    )
    assert history.loss == [pytest.approx(36)]
    assert network.weight.item() == pytest.approx(0.1 * 2 * 6 * 2)
    moved = network.weight.item() + network.bias.item()
    assert history.validation_loss == [pytest.approx((3 - moved) ** 2)]


def _trained(network, loss, X, y, optimiser="adam", dtype=None, seed=5):
    """A trained copy of the network, and what the training tells."""
    network = copy.deepcopy(network)
    settings = TrainingSettings(
        optimiser=optimiser, learning_rate=3e-3, weight_decay=0.01, batch_size=16, epochs=3
    )
    validation = (X[:9], None if y is None else y[:9])
    history = train(network, loss, X, y, settings, _generator(seed), "toy", validation, dtype=dtype)
    assert not network.training
    return network, history


def _layers(name):
    """A network of one kind of layer between two dense ones, and what it is trained for."""
    torch.manual_seed(0)
    if name == "embernn":
        return dense_network(70, (65, 30), 0, 0), CrossEntropy
    if name == "autoencoder":
        return Autoencoder(70, 33, 20, "elu", 0), SquaredLoss
    # Noise is that of a layer of its own, drawn elsewhere: none here.
    layer = {
        "dense": nn.Identity(),
        "relu": nn.ReLU(),
        "elu": nn.ELU(),
        "tanh": nn.Tanh(),
        "batch norm": nn.BatchNorm1d(33, eps=1e-3, momentum=0.3),
        "no dropout": nn.Dropout(0.0),
        "no noise": GaussianNoise(0.0),
        "nested": nn.Sequential(nn.Tanh(), nn.Sequential(nn.Linear(33, 33), nn.ReLU())),
    }[name]
    return nn.Sequential(nn.Linear(70, 33), layer, nn.Linear(33, 1)), CrossEntropy


KINDS = ["dense", "relu", "elu", "tanh", "batch norm", "no dropout", "no noise", "nested"]


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
@pytest.mark.parametrize("name", [*KINDS, "embernn", "autoencoder"])
def test_in_float32_the_engine_trains_as_the_plain_loop_does(rng, monkeypatch, name, optimiser):
    # Nothing is drawn but the order of rows.
    network, loss = _layers(name)
    X = rng.normal(size=(41, 70)).astype(np.float32)
    y = None if name == "autoencoder" else (X[:, 0] > 0).astype(np.float32)
    engine, told = _trained(network, loss, X, y, optimiser)
    monkeypatch.setattr(UNSUPPORTED, lambda network: False)
    plain, expected = _trained(network, loss, X, y, optimiser)
    np.testing.assert_allclose(told.loss, expected.loss, rtol=1e-5)
    np.testing.assert_allclose(told.validation_loss, expected.validation_loss, rtol=1e-4)
    before, state = network.state_dict(), plain.state_dict()
    for key, values in engine.state_dict().items():
        np.testing.assert_allclose(values, state[key], rtol=1e-3, atol=2e-5, err_msg=key)
        assert not torch.equal(values, before[key]), key


class _Residual(nn.Module):
    """Modules that the engine has, in a container that does more than to apply them in order."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(6, 6), nn.Dropout(0.3, inplace=True))
        self.last = nn.Linear(6, 6)

    def forward(self, rows):
        return self.last(rows + torch.nn.functional.gelu(self.inner(rows)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_any_network_is_trained_and_the_same_seed_gives_the_same_bytes(rng, dtype):
    torch.manual_seed(0)
    network = _Residual()
    X = rng.normal(size=(64, 6)).astype(np.float32)
    networks = []
    for state, seed in [(1, 5), (2, 5), (2, 6)]:
        torch.manual_seed(state)  # the global state has no say
        trained, history = _trained(network, SquaredLoss, X, None, dtype=dtype, seed=seed)
        networks.append(torch.cat([values.flatten() for values in trained.parameters()]))
        assert history.validation_loss[-1] < history.validation_loss[0]
    assert networks[0].dtype == torch.float32
    assert torch.equal(networks[0], networks[1])
    assert not torch.equal(networks[0], networks[2])


def test_the_plain_loop_computes_in_the_type_asked_for(rng, monkeypatch):
    monkeypatch.setattr(UNSUPPORTED, lambda network: False)
    seen = []
    network = nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 1))
    network[0].register_forward_hook(lambda *given: seen.append((network.training, given[2].dtype)))
    X, y = rng.normal(size=(32, 6)).astype(np.float32), np.ones(32, dtype=np.float32)
    settings = TrainingSettings(batch_size=32, epochs=1)
    for dtype in (torch.float32, torch.bfloat16):
        seen.clear()
        train(network, CrossEntropy, X, y, settings, _generator(), "x", (X, y), dtype=dtype)
        assert seen == [(True, dtype), (False, torch.float32)]


@pytest.mark.usefixtures("either")
def test_rows_that_are_their_own_target_are_not_changed_by_the_network(rng):
    X = rng.normal(size=(32, 6)).astype(np.float32)
    network = nn.Sequential(nn.Dropout(0.5, inplace=True), _line((0.0,) * 6))
    settings = TrainingSettings(optimiser="sgd", learning_rate=1e-9, batch_size=32, epochs=1)

    class Loss(SquaredLoss):
        """Of the targets alone."""

        @staticmethod
        def mean(outputs, targets):
            return targets[:, :6].square().mean() + 0 * outputs.sum()

        @staticmethod
        def backward(outputs, targets, width, gradient):
            gradient.zero_()
            return Loss.mean(outputs, targets)

    history = train(network, Loss, X, None, settings, _generator(), "toy")
    assert history.loss == [pytest.approx(np.square(X).mean(), rel=1e-5)]
