"""What an explainer of networks begins with: a copy that it may do with as it likes."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from dokunuki.errors import AttackError

if TYPE_CHECKING:
    import numpy as np
    import torch


def frozen_copy(network: torch.nn.Module) -> tuple[torch.nn.Module, torch.device]:
    """A copy of a network in evaluation mode, and the device that it lies on.

    Its weights take no gradients, so that only those of the inputs are computed.
    """
    # Costly to import, and trees are explained without it.
    import torch

    model = copy.deepcopy(network).eval().requires_grad_(False)
    parameter = next(model.parameters(), None)
    return model, parameter.device if parameter is not None else torch.device("cpu")


def check_draws(background: np.ndarray, samples: int) -> None:
    """Raise AttackError where `background` has no rows or no samples are to be drawn."""
    if not len(background) or samples < 1:
        raise AttackError(
            f"{len(background)} background rows and {samples} samples cannot explain anything: ask "
            "for at least one of each"
        )
