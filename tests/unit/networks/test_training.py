import logging
import math

import numpy as np
import pytest
import torch
from torch import nn

from dokunuki.errors import ConfigError, DokunukiError
from dokunuki.networks.engine import SquaredLoss
from dokunuki.networks.training import TrainingDivergedError, TrainingSettings, train


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


def test_one_step_of_sgd_is_the_step_worked_by_hand():
    # loss = mean((w x + b - y)^2) at 0 for x = 1, 2 and y = 1, 2: gradients -5 by w and -3 by b.
    network = _line()
    X, y = np.array([[1.0], [2.0]]), np.array([1.0, 2.0])
    settings = TrainingSettings("sgd", learning_rate=0.1, momentum=0.0, epochs=1, batch_size=2)
    history = train(network, _Squared, X, y, settings, _generator(), "toy")
    assert network.weight.item() == pytest.approx(0.5)
    assert network.bias.item() == pytest.approx(0.3)
    assert history.loss == [pytest.approx(2.5)]


@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_a_linear_law_is_found(rng, optimiser, schedule):
    X = rng.normal(size=(200, 2))
    y = X @ [2.0, -1.0]
    settings = TrainingSettings(
        optimiser, learning_rate=0.05, schedule=schedule, epochs=60, batch_size=32
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
        def backward(outputs, targets, width, gradient):
            seen.append(targets.flatten().tolist())
            gradient.fill_(1 / len(outputs))
            return outputs.float().mean()

    return Loss


def test_cosine_lowers_the_learning_rate():
    # Adam's first step is the learning rate itself; with a constant gradient so are all others.
    X = np.ones((2, 1))
    moved = {}
    for schedule in ("constant", "cosine"):
        network = _line()
        settings = TrainingSettings(
            "adam", learning_rate=0.1, schedule=schedule, epochs=4, batch_size=2
        )
        train(network, _constant_gradient([]), X, None, settings, _generator(), "toy")
        moved[schedule] = -network.weight.item()
    assert moved["constant"] == pytest.approx(0.4, rel=1e-4)
    rates = [0.05 * (1 + math.cos(math.pi * epoch / 4)) for epoch in range(4)]
    assert moved["cosine"] == pytest.approx(sum(rates), rel=1e-4)


def test_last_batch_counts_unless_it_is_a_single_row():
    seen = []
    settings = TrainingSettings("sgd", epochs=1, batch_size=4)
    for rows in (10, 9):
        X = np.ones((rows, 1))
        train(_line(), _constant_gradient(seen), X, None, settings, _generator(), "toy")
    assert [len(batch) for batch in seen] == [4, 4, 2, 4, 4]


def test_every_row_is_met_once_per_epoch_in_an_order_that_changes():
    met = []
    X = np.arange(8.0)[:, None]
    settings = TrainingSettings("sgd", learning_rate=1e-3, epochs=2, batch_size=8)
    train(_line(), _constant_gradient(met), X, None, settings, _generator(), "toy")
    assert [sorted(order) for order in met] == [list(range(8))] * 2
    assert met[0] != met[1]


def test_divergence_is_raised_with_epoch_and_loss():
    settings = TrainingSettings("sgd", learning_rate=1e30, epochs=5, batch_size=2)
    X, y = np.array([[1.0], [2.0]]), np.array([1.0, 2.0])
    with pytest.raises(TrainingDivergedError, match="lower learning_rate") as caught:
        train(_line(), _Squared, X, y, settings, _generator(), "toy")
    assert caught.value.epoch == 2
    assert not math.isfinite(caught.value.loss)
    assert isinstance(caught.value, DokunukiError)


def test_divergence_in_the_very_last_step_is_found_in_the_weights():
    settings = TrainingSettings("sgd", learning_rate=1e38, epochs=1, batch_size=2)
    X, y = np.array([[10.0], [20.0]]), np.array([10.0, 20.0])
    with pytest.raises(TrainingDivergedError) as caught:
        train(_line(), _Squared, X, y, settings, _generator(), "toy")
    assert caught.value.epoch == 1


def test_global_random_state_is_left_alone_and_has_no_say():
    def run(state):
        network = nn.Sequential(nn.Dropout(0.5), _line((1.0,) * 8))
        settings = TrainingSettings("sgd", learning_rate=0.01, epochs=2, batch_size=4)
        torch.manual_seed(state)
        train(network, _Squared, np.ones((9, 8)), np.ones(9), settings, _generator(), "toy")
        return network[1].weight.detach().numpy()

    first = run(0)
    after = torch.rand(3)
    torch.manual_seed(0)
    assert torch.equal(after, torch.rand(3))
    np.testing.assert_array_equal(first, run(1))


def test_loss_is_logged_per_epoch(caplog):
    caplog.set_level(logging.INFO, "dokunuki")
    settings = TrainingSettings("sgd", epochs=1, batch_size=2)
    train(_line(), _Squared, np.ones((2, 1)), np.ones(2), settings, _generator(), "toy")
    assert "toy [####" in caplog.text
    assert "loss 1" in caplog.text


def test_a_single_row_is_refused():
    with pytest.raises(DokunukiError, match="1 training rows"):
        train(_line(), _Squared, np.ones((1, 1)), np.ones(1), TrainingSettings(), _generator(), "x")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("optimiser", "lion"),
        ("learning_rate", 0),
        ("momentum", 1.0),
        ("weight_decay", -1),
        ("batch_size", 1),
        ("epochs", 0),
        ("schedule", "step"),
    ],
)
def test_settings_out_of_range_name_the_key(name, value):
    with pytest.raises(ConfigError, match=rf"^{name}: .*{value}.* must be"):
        TrainingSettings(**{name: value})
