import pytest
import torch

from dokunuki.networks.optimiser import Adam, Sgd

VALUES, STEPS = 300, 4


def _torchs(name, parameter, learning_rate, weight_decay):
    if name == "adam":
        return torch.optim.Adam([parameter], learning_rate, weight_decay=weight_decay)
    momentum = 0.9 if name == "sgd" else 0.0
    return torch.optim.SGD([parameter], learning_rate, momentum=momentum, weight_decay=weight_decay)


def _ours(name, buffers, weight_decay):
    if name == "adam":
        return Adam(*buffers, weight_decay=weight_decay)
    return Sgd(*buffers, momentum=0.9 if name == "sgd" else 0.0, weight_decay=weight_decay)


@pytest.mark.parametrize("name", ["adam", "sgd", "sgd without momentum"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("cached", [64, 2**18])
def test_steps_are_torchs_and_working_copies_follow(monkeypatch, name, dtype, cached):
    monkeypatch.setattr("dokunuki.networks.optimiser._CACHED_VALUES", cached)
    draw = torch.Generator().manual_seed(0)
    masters = torch.randn(VALUES, generator=draw)
    parameter = torch.nn.Parameter(masters.clone())
    working = masters if dtype == torch.float32 else masters.to(dtype)
    gradients = torch.empty(VALUES, dtype=dtype)
    ours = _ours(name, (masters, gradients, working), weight_decay=0.1)
    theirs = _torchs(name, parameter, 0.01, weight_decay=0.1)
    for _ in range(STEPS):
        gradients.copy_(torch.randn(VALUES, generator=draw))
        parameter.grad = gradients.float()
        ours.step(0.01)
        theirs.step()
        torch.testing.assert_close(masters, parameter.detach(), rtol=1e-5, atol=1e-6)
        assert torch.equal(working, masters.to(dtype))
