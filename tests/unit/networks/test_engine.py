import copy
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from dokunuki.errors import DokunukiError
from dokunuki.networks.autoencoder import Autoencoder
from dokunuki.networks.embernn import dense_network
from dokunuki.networks.engine import Engine, supports
from dokunuki.networks.layers import Dropout, GaussianNoise, Noise, padded
from dokunuki.networks.losses import CrossEntropy, SquaredLoss
from dokunuki.networks.optimiser import Adam, Sgd

ROWS, WIDTH = 40, 70


class _Replay(nn.Module):
    """Dropout in autograd's network with the mask that the engine's layer drew last."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, rows):
        scale = 1 / (1 - self.layer.probability)
        mask = self.layer._mask[: len(rows), : rows.shape[1]] != 0
        return rows * mask * scale


class _ReplayNoise(nn.Module):
    """As `_Replay`, for noise."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, rows):
        return rows + self.layer._noise[: len(rows)]


def _replayed(network, engine):
    """A copy of the network whose dropout and noise repeat what the engine drew."""
    drawn = iter([layer for layer in engine._layers if isinstance(layer, Dropout | Noise)])
    copied = copy.deepcopy(network)
    for name, module in list(copied.named_modules()):
        if isinstance(module, GaussianNoise):
            copied.set_submodule(name, _ReplayNoise(next(drawn)))
        elif isinstance(module, nn.Dropout) and module.p:
            copied.set_submodule(name, _Replay(next(drawn)))
    return copied.train()


def _network(kind):
    torch.manual_seed(0)
    if kind == "embernn":
        return dense_network(WIDTH, (65, 30), dropout=0.5, input_dropout=0.1)
    if kind == "denoising":
        return Autoencoder(WIDTH, 33, 20, "elu", dropout=0.2, noise=0.5, input_dropout=0.3)
    if kind == "unit range":
        return Autoencoder(WIDTH, 33, 20, "relu", dropout=0.2, unit_range=True)
    return Autoencoder(WIDTH, 33, 20, kind, dropout=0.2)


def _batch(kind, rng, dtype, rows=ROWS):
    X = rng.normal(size=(rows, WIDTH)).astype(np.float32)
    inputs = torch.zeros(rows, padded(WIDTH), dtype=dtype)
    inputs[:, :WIDTH] = torch.from_numpy(X)
    if kind == "embernn":
        targets = torch.from_numpy((X[:, 0] > 0).astype(np.float32))
        return CrossEntropy, inputs, targets, inputs[:, :WIDTH].float(), targets
    return SquaredLoss, inputs, inputs, inputs[:, :WIDTH].float(), inputs[:, :WIDTH].float()


def _engine(network, loss, dtype=torch.float32, rows=ROWS):
    return Engine(network, loss, dtype, rows, torch.Generator().manual_seed(1))


KINDS = ["embernn", "relu", "elu", "tanh", "sigmoid", "linear", "denoising", "unit range"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [ROWS, 7])
def test_gradients_and_loss_are_autograds(rng, kind, rows):
    network = _network(kind)
    loss, inputs, targets, X, y = _batch(kind, rng, torch.float32, rows)
    before = copy.deepcopy(network)
    engine = _engine(network, loss)
    with torch.no_grad():
        value = engine.gradient_step(inputs, targets)
    reference = _replayed(before, engine)
    expected = loss.mean(reference(X), y)
    expected.backward()
    assert value.item() == pytest.approx(expected.item(), rel=1e-5)
    for held, other in zip(network.parameters(), reference.parameters(), strict=True):
        padded_gradient = engine.parameters.view(engine.parameters.gradients, held)
        inner = tuple(slice(size) for size in other.shape)
        scale = other.grad.abs().max().item()
        np.testing.assert_allclose(padded_gradient[inner], other.grad, atol=1e-5 * scale, rtol=1e-4)
        # What is beyond the parameter has no gradient at all.
        assert padded_gradient.count_nonzero() == padded_gradient[inner].count_nonzero()
    engine.store()
    for name, values in network.named_buffers():
        np.testing.assert_allclose(values, dict(reference.named_buffers())[name], rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_bfloat16_gradients_point_where_autograds_do(rng, kind):
    network = _network(kind)
    loss, inputs, targets, X, y = _batch(kind, rng, torch.bfloat16)
    before = copy.deepcopy(network)
    engine = _engine(network, loss, torch.bfloat16)
    with torch.no_grad():
        value = engine.gradient_step(inputs, targets)
    reference = _replayed(before, engine)
    expected = loss.mean(reference(X), y)
    expected.backward()
    assert value.item() == pytest.approx(expected.item(), rel=0.02)
    for held, other in zip(network.parameters(), reference.parameters(), strict=True):
        view = engine.parameters.view(engine.parameters.gradients, held)
        gradient = view[tuple(slice(size) for size in other.shape)].float().flatten()
        cosine = torch.cosine_similarity(gradient, other.grad.flatten(), dim=0)
        assert cosine.item() > 0.99


@pytest.mark.parametrize("optimiser", [Adam, partial(Sgd, momentum=0.9)], ids=["adam", "sgd"])
def test_padding_stays_zero_through_a_training(rng, optimiser):
    network = _network("embernn")
    loss, inputs, targets, _, _ = _batch("embernn", rng, torch.bfloat16)
    engine = _engine(network, loss, torch.bfloat16)
    held = engine.parameters
    steps = optimiser(held.masters, held.gradients, held.working, weight_decay=0.01)
    with torch.no_grad():
        for _ in range(3):
            engine.gradient_step(inputs, targets)
            steps.step(0.01)
    assert torch.equal(held.masters.to(torch.bfloat16), held.working)
    held.store()
    for parameter in network.parameters():
        values = held.view(held.masters, parameter).clone()
        assert values.count_nonzero() > 0
        values[tuple(slice(size) for size in parameter.shape)] = 0
        assert values.count_nonzero() == 0


def _dense(*between):
    return nn.Sequential(nn.Linear(4, 4), *between, nn.Linear(4, 4))


def _tied():
    layer = nn.Linear(4, 4)
    return nn.Sequential(layer, nn.ReLU(), layer)


def _frozen():
    network = _dense()
    network[0].requires_grad_(False)
    return network


class _Backwards(nn.Sequential):
    """Applies its modules from the last to the first."""

    def forward(self, rows):
        for module in reversed(self):
            rows = module(rows)
        return rows


class _Scaled(nn.Linear):
    """More than the module that it is derived from."""

    def forward(self, rows):
        return 2 * super().forward(rows)


class _Free(nn.Module):
    """Modules that the engine has, applied as only `forward` knows."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(4, 4)

    def forward(self, rows):
        return rows + self.inner(rows)


@pytest.mark.parametrize(
    "network",
    [
        _dense(nn.GELU()),
        _dense(nn.Linear(4, 4, bias=False)),
        _dense(nn.BatchNorm1d(4, affine=False)),
        _dense(nn.BatchNorm1d(4, momentum=None)),
        _dense(nn.BatchNorm1d(4, track_running_stats=False)),
        _dense(nn.ELU(alpha=0.5)),
        _dense(nn.Dropout(1.0)),
        _dense(nn.Tanh(), nn.Identity(), nn.ReLU()),
        _dense(_Scaled(4, 4)),
        _dense(_Free()),
        _Backwards(nn.Linear(4, 4), nn.Tanh()),
        nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 4)),
        nn.Sequential(nn.ReLU(), nn.Linear(4, 4)),
        nn.Sequential(nn.Dropout(0.5)),
        _dense().double(),
        _tied(),
        _frozen(),
    ],
    ids=str,
)
def test_a_network_that_the_engine_would_train_otherwise_is_refused(network):
    assert not supports(network)
    with pytest.raises(DokunukiError, match="the training engine"):
        _engine(network, SquaredLoss)


@pytest.mark.parametrize("kind", KINDS)
def test_the_networks_of_the_study_are_supported(kind):
    assert supports(_network(kind))
    assert supports(nn.Linear(4, 4))


def test_an_activation_that_stands_twice_is_applied_twice(rng):
    activation = nn.Tanh()
    network = nn.Sequential(nn.Linear(WIDTH, 8), activation, nn.Linear(8, 8), activation)
    network.append(nn.Linear(8, WIDTH))
    loss, inputs, targets, X, y = _batch("tanh", rng, torch.float32)
    expected = loss.mean(network(X), y).item()
    with torch.no_grad():
        value = _engine(network, loss).gradient_step(inputs, targets)
    assert value.item() == pytest.approx(expected, rel=1e-5)
