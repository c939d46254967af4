"""SHAP values of the attacker's model: how much each feature of each row speaks for malware.

What is explained is the model's logit, not its probability, so that contributions add up. Networks
are explained by expected gradients, boosted trees by LightGBM's own exact tree SHAP.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from dokunuki.errors import AttackError, damaged_file
from dokunuki.networks.devices import resolve_precision, to_tensor
from dokunuki.progress import Progress
from dokunuki.seeding import generator
from dokunuki.storage.arrays import write_arrays
from dokunuki.storage.matrix import StoredMatrix
from dokunuki.storage.row_blocks import row_blocks

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import lightgbm
    import torch

    from dokunuki.surrogate.protocol import Surrogate

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
    # Costly to import, and most users of this module only read what was explained.
    import torch

    if not len(background) or samples < 1:
        raise AttackError(
            f"{len(background)} background rows and {samples} samples explain nothing: ask for at "
            "least one of each"
        )
    # A copy, to be switched to evaluation mode; without gradients of its weights, only those of the
    # inputs are computed.
    model = copy.deepcopy(network).eval().requires_grad_(False)
    parameter = next(model.parameters(), None)
    device = parameter.device if parameter is not None else torch.device("cpu")
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


def explain(
    surrogate: Surrogate,
    X: np.ndarray,
    *,
    background_rows: int,
    samples: int,
    seed: int,
    precision: str = "auto",
    out: np.ndarray | None = None,
) -> np.ndarray:
    """SHAP values S of the surrogate's logit for raw training rows X: float32, as wide as X.

    A classifier with a `booster_` (LightGBM) is explained exactly; one with a `network_` that gives
    logits by expected gradients, against `background_rows` rows drawn from X, with `samples`
    samples per row and products in `precision`. `out`, where given, takes the result, and may be X
    itself. Raises AttackError when the classifier is neither.
    """
    classifier = surrogate.classifier_
    booster: Any = getattr(classifier, "booster_", None)
    network: Any = getattr(classifier, "network_", None)
    if booster is None and network is None:
        raise AttackError(
            f"a surrogate of type {type(classifier).__name__} cannot be explained: it has neither "
            "boosted trees (booster_, LightGBM) nor a torch network (network_, EmberNN); name such "
            "a classifier as surrogate.classifier, or as the attack's surrogate"
        )
    standardised = np.empty(X.shape, dtype=np.float32) if out is None else out
    for rows in row_blocks(len(X)):
        standardised[rows] = surrogate.standardise(X[rows])
    if booster is not None:
        return explain_trees(booster, standardised, out=standardised)
    draw = generator(seed, "explain", "background")
    background = draw.choice(len(X), size=min(background_rows, len(X)), replace=False)
    return explain_network(
        network,
        standardised,
        standardised[background],
        samples=samples,
        seed=seed,
        precision=precision,
        out=standardised,
    )


def write_explanations(
    path: str | Path,
    explanations: np.ndarray,
    attributes: Mapping[str, str | int | float] | None = None,
) -> None:
    """Write S, float32 (n, width), and how it was computed."""
    write_arrays(path, {"explanations": explanations.astype(np.float32, copy=False)}, attributes)


def read_explanations(path: str | Path) -> StoredMatrix:
    """S, float32 (n, width), in its file; raises DataFileError when that holds no such matrix."""
    explanations = StoredMatrix(path, "explanations")
    if explanations.ndim != 2:
        raise damaged_file(
            path, f"explanations have shape {explanations.shape}, not (rows, columns)"
        )
    return explanations
