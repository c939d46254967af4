"""The explainer `shap`: the published package itself, for whoever wants its own numbers.

Its GradientExplainer goes through the rows one by one, with random draws of its own, in float32.
Its TreeExplainer has LightGBM compute the exact values.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from dokunuki.errors import AttackError
from dokunuki.networks.devices import to_tensor
from dokunuki.parts.building import MissingPackageError
from dokunuki.progress import Progress
from dokunuki.seeding import generator
from dokunuki.storage.row_blocks import row_blocks
from dokunuki.surrogate.frozen import check_draws, frozen_copy

if TYPE_CHECKING:
    from collections.abc import Iterator

    import lightgbm
    import torch

# The rows between two lines of progress. Each block has a seed of its own: another size would draw
# others, equally valid.
_ROWS_PER_BLOCK = 32
_SEEDS = 2**32  # of numpy's global state, which shap draws from


def explain_network(
    network: torch.nn.Module,
    X_standardised: np.ndarray,
    background: np.ndarray,
    *,
    samples: int,
    seed: int,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """What shap.GradientExplainer gives for a network that maps (n, width) to logits (n, 1).

    `X_standardised` (n, width) are the rows to explain, and with `background` (m, width) they are
    in the network's input space; `samples` are drawn for each row. Returns float32 (n, width),
    positive towards malware; `out`, where given, takes it, and may be `X_standardised` itself.
    Works in blocks of rows on the network's device, and leaves the network and numpy's global
    random state as they were. Raises AttackError when there is no background row,
    MissingPackageError when shap cannot be imported.
    """
    shap = _shap()
    check_draws(background, samples)
    model, device = frozen_copy(network)
    explainer = shap.GradientExplainer(model, to_tensor(background, device))
    seeds = generator(seed, "explain", "shap")
    values = np.empty(X_standardised.shape, dtype=np.float32) if out is None else out
    progress = Progress("explain network with shap", len(values))
    with _numpy_state_kept():
        for block in row_blocks(len(values), _ROWS_PER_BLOCK):
            rows = to_tensor(X_standardised[block], device)
            rseed = int(seeds.integers(_SEEDS))
            explained = explainer.shap_values(rows, nsamples=samples, rseed=rseed)
            values[block] = explained[:, :, 0]  # of the only output
            progress.update(min(block.stop, len(values)))
    return values


def explain_trees(
    booster: lightgbm.Booster, X: np.ndarray, out: np.ndarray | None = None
) -> np.ndarray:
    """What shap.TreeExplainer gives for a binary LightGBM model: exact, of the logit.

    Without background rows: it goes by how many training rows took each branch. Takes and returns
    what `expected_gradients.explain_trees` does. Raises AttackError when the model has more than
    two classes, MissingPackageError when shap cannot be imported.
    """
    explainer = _shap().TreeExplainer(booster, feature_perturbation="tree_path_dependent")
    values = np.empty(X.shape, dtype=np.float32) if out is None else out
    progress = Progress("explain trees with shap", len(values))
    for block in row_blocks(len(values)):
        contributions = explainer(X[block]).values
        if contributions.ndim != 2:
            raise AttackError(
                f"shap explains {contributions.shape[2]} outputs of the surrogate, not one logit: "
                "it must be a classifier of two classes"
            )
        values[block] = contributions
        progress.update(min(block.stop, len(values)))
    return values


def _shap() -> Any:  # noqa: ANN401 - a module without annotations
    # It takes seconds to import, and only this explainer needs it.
    try:
        import shap
    except ImportError as error:
        raise MissingPackageError(
            f"surrogate.explainer: 'shap' needs the package shap, which cannot be imported here "
            f"({error}); install it (`pip install -c requirements.lock shap`, or rebuild the "
            "environment), or set `surrogate: {explainer: expected-gradients}`"
        ) from error
    return shap


@contextmanager
def _numpy_state_kept() -> Iterator[None]:
    """Put numpy's global random state, which shap seeds, back to where it was."""
    state = np.random.get_state()
    try:
        yield
    finally:
        np.random.set_state(state)
