import numpy as np
import pytest
import torch

from dokunuki.networks.layers import Dropout, GaussianNoise, Noise, padded


def _dropout(probability, rows=256, width=640, dtype=torch.float32, seed=0):
    return Dropout(probability, rows, width, dtype, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("width", "columns"), [(1, 1), (2, 64), (64, 64), (65, 128), (2351, 2368)])
def test_buffers_are_padded_to_aligned_widths(width, columns):
    assert padded(width) == columns


@pytest.mark.parametrize("probability", [0.5, 0.2, 0.25, 0.9, 1 / 3])
def test_dropout_drops_the_share_it_says_and_keeps_the_mean(probability):
    dropout = _dropout(probability)
    assert dropout.probability == pytest.approx(probability, abs=2**-16)
    values = dropout.forward(torch.ones(256, 640))
    assert values.unique().tolist() == pytest.approx([0, 1 / (1 - dropout.probability)])
    # Six standard deviations of a share of 163,840 values.
    bound = 6 * np.sqrt(probability * (1 - probability) / values.numel())
    assert (values == 0).float().mean().item() == pytest.approx(probability, abs=bound)


@pytest.mark.parametrize("probability", [0.5, 0.3])
def test_every_position_is_dropped_alike_and_independently(probability):
    dropout = _dropout(probability, rows=16, width=64)
    draws = torch.stack([dropout.forward(torch.ones(16, 64)) == 0 for _ in range(2000)]).float()
    bound = 6 * np.sqrt(probability * (1 - probability) / 2000)
    np.testing.assert_allclose(draws.mean(dim=0).numpy(), probability, atol=bound)
    correlation = np.corrcoef(draws.view(2000, -1).numpy().T)
    np.fill_diagonal(correlation, 0)
    assert np.abs(correlation).max() < 6.5 / np.sqrt(2000)


def test_dropout_goes_the_same_way_back():
    dropout = _dropout(0.4, rows=8, width=64)
    outputs = dropout.forward(torch.ones(8, 64)).clone()
    torch.testing.assert_close(dropout.backward(torch.ones(8, 64)), outputs)
    # A smaller batch takes the mask's first rows.
    assert dropout.forward(torch.ones(3, 64)).shape == dropout.backward(torch.ones(3, 64)).shape


def test_masks_depend_on_the_seed_and_not_on_the_type():
    masks = [
        _dropout(0.2, 8, 64, dtype, seed).forward(torch.ones(8, 64, dtype=dtype)) == 0
        for dtype, seed in [(torch.float32, 1), (torch.bfloat16, 1), (torch.float32, 2)]
    ]
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])


@pytest.mark.parametrize("probability", [1e-9, 1 - 1e-9])
def test_probabilities_at_the_edge_stay_inside(probability):
    dropout = _dropout(probability, rows=8, width=64)
    assert 0 < dropout.probability < 1
    assert torch.isfinite(dropout.forward(torch.ones(8, 64))).all()


def _noise(deviation=0.5, rows=256, width=70, dtype=torch.float32, seed=0):
    return Noise(deviation, rows, width, dtype, torch.Generator().manual_seed(seed))


def test_noise_has_the_deviation_it_says_and_leaves_inputs_and_padding_alone():
    inputs = torch.zeros(256, padded(70))
    inputs[:, :70] = 3.0
    before = inputs.clone()
    outputs = _noise().forward(inputs)
    assert torch.equal(inputs, before)
    assert outputs[:, 70:].count_nonzero() == 0
    # Six standard errors of a mean and of a standard deviation of 17,920 values.
    error = 0.5 / np.sqrt(256 * 70)
    assert outputs[:, :70].mean().item() == pytest.approx(3.0, abs=6 * error)
    assert outputs[:, :70].std().item() == pytest.approx(0.5, abs=6 * error)


def test_noise_is_drawn_anew_alike_in_every_type_and_passes_gradients_on():
    first = _noise()
    zeros = torch.zeros(256, padded(70))
    drawn = first.forward(zeros).clone()
    assert not torch.equal(first.forward(zeros), drawn)
    rounded = _noise(dtype=torch.bfloat16).forward(zeros.to(torch.bfloat16))
    assert torch.equal(rounded, drawn.to(torch.bfloat16))
    # A smaller batch gets the first rows' noise.
    assert torch.equal(_noise().forward(zeros[:7]), drawn[:7])
    gradient = torch.ones(7, padded(70))
    assert torch.equal(first.backward(gradient), gradient)


def test_the_module_adds_noise_in_training_only():
    module = GaussianNoise(2.0)
    rows = torch.zeros(4000)
    torch.manual_seed(0)
    assert module.train()(rows).std().item() == pytest.approx(2.0, rel=0.1)
    assert torch.equal(module.eval()(rows), rows)
