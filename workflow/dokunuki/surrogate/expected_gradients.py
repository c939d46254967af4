"""The explainer `expected-gradients`: networks by all draws at once, trees by LightGBM itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dokunuki.errors import AttackError
from dokunuki.networks.devices import resolve_precision, to_tensor
from dokunuki.progress import Progress
from dokunuki.seeding import generator
from dokunuki.storage.row_blocks import row_blocks
from dokunuki.surrogate.frozen import check_draws, frozen_copy

if TYPE_CHECKING:
    import lightgbm
    import torch

# A network's layers see this many rows times the samples at once, enough to be fast. Samples are
# drawn block by block: another size would draw others, equally valid.
_ROWS_PER_BLOCK = 32


def explain_network(
    network: torch.nn.Module,
    X_standardised: np.ndarray,
    background: np.ndarray,
    *,
    samples: int,
    seed: int,
    precision: str = "auto",
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Expected gradients of a network that maps (n, width) to logits (n, 1).

    The mean over `samples` draws of the gradient at x' + t (x - x'), times x - x', with x' a row of
    the background and t uniform in [0, 1) (Erion et al., Nature Machine Intelligence 2021, eq. 6;
    what shap.GradientExplainer computes). `X_standardised` (n, width) are the rows x to explain,
    and with `background` (m, width) they are in the network's input space. Products are computed
    in `precision` (auto, float32 or bfloat16), all else is in float32. Returns float32 (n, width),
    positive towards malware; `out`, where given, takes it, and may be `X_standardised` itself.
    Works in blocks of rows on the network's device, and leaves the network as it was. Raises
    AttackError when there is no background row, DeviceError for an unknown precision.
    """
    # Costly to import, and most users of this package only read what was explained.
    import torch

    check_draws(background, samples)
    model, device = frozen_copy(network)
    dtype = resolve_precision(precision, device)
    backgrounds = to_tensor(background, device)
    draws = generator(seed, "explain", "draws")
    values = np.empty(X_standardised.shape, dtype=np.float32) if out is None else out
    progress = Progress("explain network", len(values))
    for block in row_blocks(len(values), _ROWS_PER_BLOCK):
        rows = to_tensor(X_standardised[block], device)[:, None]
        size = (len(rows), samples)
        drawn = torch.from_numpy(draws.integers(len(background), size=size)).to(device)
        steps = to_tensor(draws.random(size), device)[:, :, None]
        starts = backgrounds[drawn]
        points = torch.lerp(starts, rows, steps).flatten(0, 1).requires_grad_()
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            logits = model(points)
        (gradients,) = torch.autograd.grad(logits.sum(), points)
        contributions = gradients.view(starts.shape) * (rows - starts)
        values[block] = contributions.mean(dim=1).cpu().numpy()
        progress.update(min(block.stop, len(values)))
    return values


def explain_trees(
    booster: lightgbm.Booster, X: np.ndarray, out: np.ndarray | None = None
) -> np.ndarray:
    """Exact tree SHAP values of a binary LightGBM model for rows in the model's input space.

    Returns float32 (n, width), positive towards malware; the bias (the expected logit) is dropped.
    `out`, where given, takes it, and may be X itself.
    Raises AttackError when the model has more than two classes or another width.
    """
    values = np.empty(X.shape, dtype=np.float32) if out is None else out
    progress = Progress("explain trees", len(values))
    for block in row_blocks(len(values)):
        contributions = np.asarray(booster.predict(X[block], pred_contrib=True))
        if contributions.shape[1] != X.shape[1] + 1:
            raise AttackError(
                f"the surrogate's contributions have {contributions.shape[1]} columns, not "
                f"{X.shape[1]} and a bias: it must be a classifier of two classes"
            )
        values[block] = contributions[:, :-1]
        progress.update(min(block.stop, len(values)))
    return values
