"""SHAP values of the attacker's model: how much each feature of each row speaks for malware.

What is explained is the model's logit, not its probability, so that contributions add up. The
values come from the shap library's GradientExplainer for networks (expected gradients) and from
LightGBM's own exact tree SHAP for boosted trees.
"""

from __future__ import annotations

import copy
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from dokunuki.errors import AttackError, damaged_file
from dokunuki.progress import Progress
from dokunuki.rows import row_blocks
from dokunuki.seeding import generator, stream_seed
from dokunuki.storage import write_arrays
from dokunuki.stored_matrix import StoredMatrix

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import lightgbm
    import torch

    from dokunuki.attacks.protocol import Surrogate

# A block is also the unit of seeding: another size gives other (equally valid) samples.
_ROWS_PER_BLOCK = 128
# Interpolated rows that pass through the network at once.
_GRADIENT_BATCH = 128


@contextmanager
def _global_numpy_state_kept() -> Iterator[None]:
    """Undo what shap does to numpy's global generator, which it seeds for its own samples."""
    state = np.random.get_state()
    try:
        yield
    finally:
        np.random.set_state(state)


def explain_network(
    network: torch.nn.Module,
    X_standardised: np.ndarray,
    background: np.ndarray,
    *,
    samples: int,
    seed: int,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Expected gradients of a network that maps (n, width) to logits (n, 1).

    `X_standardised` (n, width) are the rows to explain and `background` (m, width) the reference
    rows, both in the network's input space; `samples` is the number of interpolated rows per row
    explained. Returns float32 (n, width), positive towards malware; `out`, where given, takes it,
    and may be `X_standardised` itself. Works in blocks of rows on the
    network's device, each block with a random stream of its own, and leaves the network and
    numpy's global generator as they were. Raises AttackError when there is no background row.
    """
    # Costly to import, and most users of this module only read what was explained.
    import shap
    import torch

    if not len(background) or samples < 1:
        raise AttackError(
            f"{len(background)} background rows and {samples} samples explain nothing: ask for at "
            "least one of each"
        )
    # A copy, since shap switches the network to evaluation mode; without gradients of its weights,
    # only those of the inputs are computed.
    model = copy.deepcopy(network).eval().requires_grad_(False)
    parameter = next(model.parameters(), None)
    device = parameter.device if parameter is not None else torch.device("cpu")

    def tensor(rows: np.ndarray) -> torch.Tensor:
        return torch.tensor(rows, dtype=torch.float32, device=device)

    explainer = shap.GradientExplainer(model, tensor(background), batch_size=_GRADIENT_BATCH)
    values = np.empty(X_standardised.shape, dtype=np.float32) if out is None else out
    progress = Progress("explain network", len(values))
    with _global_numpy_state_kept():
        for start in range(0, len(values), _ROWS_PER_BLOCK):
            block = slice(start, min(start + _ROWS_PER_BLOCK, len(values)))
            block_values: np.ndarray = explainer.shap_values(
                tensor(X_standardised[block]),
                nsamples=samples,
                rseed=stream_seed(seed, "explain", "block", start) % 2**32,
            )
            # shap adds an axis of one output.
            values[block] = block_values.reshape(values[block].shape)
            progress.update(block.stop)
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
    for start in range(0, len(values), _ROWS_PER_BLOCK):
        block = slice(start, min(start + _ROWS_PER_BLOCK, len(values)))
        contributions = np.asarray(booster.predict(X[block], pred_contrib=True))
        if contributions.shape[1] != X.shape[1] + 1:
            raise AttackError(
                f"the surrogate's contributions have {contributions.shape[1]} columns, not "
                f"{X.shape[1]} and a bias: it must be a classifier of two classes"
            )
        values[block] = contributions[:, :-1]
        progress.update(block.stop)
    return values


def explain(
    surrogate: Surrogate,
    X: np.ndarray,
    *,
    background_rows: int,
    samples: int,
    seed: int,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """SHAP values S of the surrogate's logit for raw training rows X: float32, as wide as X.

    A classifier with a `booster_` (LightGBM) is explained exactly; one with a `network_` that gives
    logits by expected gradients, against `background_rows` rows drawn from X and with `samples`
    samples per row. `out`, where given, takes the result, and may be X itself. Raises AttackError
    when the classifier is neither.
    """
    standardised = np.empty(X.shape, dtype=np.float32) if out is None else out
    for rows in row_blocks(len(X)):
        standardised[rows] = surrogate.standardise(X[rows])
    classifier = surrogate.classifier_
    if hasattr(classifier, "booster_"):
        return explain_trees(classifier.booster_, standardised, out=standardised)
    import torch

    network = getattr(classifier, "network_", None)
    if not isinstance(network, torch.nn.Module):
        raise AttackError(
            f"a surrogate of type {type(classifier).__name__} cannot be explained: choose EmberNN "
            "or LightGBM"
        )
    draw = generator(seed, "explain", "background")
    background = draw.choice(len(X), size=min(background_rows, len(X)), replace=False)
    return explain_network(
        network,
        standardised,
        standardised[background],
        samples=samples,
        seed=seed,
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
