"""One training loop for all networks: seeded, logged per epoch, loud when it diverges."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

from dokunuki.errors import DokunukiError
from dokunuki.networks.devices import shared_tensor, to_tensor
from dokunuki.networks.settings import History, TrainingDivergedError
from dokunuki.progress import Progress
from dokunuki.storage.row_blocks import row_blocks

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import torch
    from torch import nn

    from dokunuki.networks.losses import Loss
    from dokunuki.networks.settings import TrainingSettings

    Augmentation = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]

# Rows judged at once: bounds the memory.
_BLOCK_ROWS = 4096


class Steps(Protocol):
    """Trains a network, batch by batch."""

    def step(
        self, inputs: torch.Tensor, targets: torch.Tensor, learning_rate: float
    ) -> torch.Tensor:
        """Train on a batch; the mean loss before, a scalar on the device."""

    def store(self, *, last: bool) -> None:
        """Have the network hold all that was learnt; after the last time there are no steps."""


def train(
    network: nn.Module,
    loss: Loss,
    X: np.ndarray,
    y: np.ndarray | None,
    settings: TrainingSettings,
    generator: torch.Generator,
    label: str,
    validation: tuple[np.ndarray, np.ndarray | None] | None = None,
    dtype: torch.dtype | None = None,
    augment: Augmentation | None = None,
) -> History:
    """Train `network` in place, on the device it lies on, and leave it in evaluation mode.

    The engine trains it where it has a layer for each of its modules (`engine.supports`), else
    autograd does (`plain`).

    `loss` is as in `dokunuki.networks.losses`; `y` None means that the rows are their own target.
    `generator` (on the CPU) orders the rows and seeds dropout; torch's global generators have no
    say, and are left as they were. `label` names the training in the log. `dtype` is the type of
    products, None for float32; the loss over the validation rows is always taken in float32.
    `augment` changes each batch of rows and targets before the network sees it, in the engine
    rows of type `dtype` with columns of zeros on the right; the validation rows are not changed.
    It ends after `settings.epochs` epochs, or when the training loss has converged.
    The rows go to the device once. The last batch of an epoch may be smaller; one of a single row
    is left out, since batch normalisation needs two.
    Raises ConfigError for a setting out of range, TrainingDivergedError on a loss or weight that is
    not finite.
    """
    import torch

    from dokunuki.networks.engine import EngineSteps, supports
    from dokunuki.networks.layers import padded
    from dokunuki.networks.plain import PlainSteps

    settings.check()
    if len(X) < 2:
        raise DokunukiError(f"{label}: {len(X)} training rows; give it at least 2")
    device = next(network.parameters()).device
    dtype = dtype or torch.float32
    width = X.shape[1]
    batch_rows = min(settings.batch_size, len(X))
    seed = int(torch.randint(2**62, (), generator=generator))
    history = History()
    progress = Progress(label, settings.epochs)
    network.eval()
    forked = torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])
    with torch.no_grad(), forked:
        torch.manual_seed(seed)
        steps: Steps
        if supports(network):
            data = _Rows(X, y, dtype, device, batch_rows, padded(width))
            steps = EngineSteps(network, loss, settings, dtype, batch_rows, seed)
        else:
            data = _Rows(X, y, torch.float32, device, batch_rows, width)
            steps = PlainSteps(network, loss, settings, dtype)
        for epoch in range(1, settings.epochs + 1):
            learning_rate = settings.rate_in(epoch)
            order = torch.randperm(len(X), generator=generator).to(device)
            # Summed on the device: reading every batch's loss would make the device wait.
            total = torch.zeros((), dtype=torch.float64, device=device)
            seen = 0
            for rows in torch.split(order, settings.batch_size):
                if len(rows) < 2:
                    continue
                inputs, targets = data.batch(rows)
                if augment is not None:
                    inputs, targets = augment(inputs, targets)
                total += steps.step(inputs, targets, learning_rate) * len(rows)
                seen += len(rows)
            mean = float(total) / seen
            if not math.isfinite(mean):
                raise TrainingDivergedError(epoch, mean)
            history.loss.append(mean)
            figures = {"loss": mean}
            if validation is not None:
                steps.store(last=False)
                history.validation_loss.append(_mean_loss(network, loss, *validation))
                figures["validation_loss"] = history.validation_loss[-1]
            progress.update(epoch, **figures)
            if settings.converged(history.loss):
                break
        steps.store(last=True)
    # The last step of all has no later loss that would show what it did.
    state = network.state_dict().values()
    if not all(bool(torch.isfinite(values).all()) for values in state):
        raise TrainingDivergedError(len(history.loss), math.nan)
    return history


class _Rows:
    """Rows on the device, handed out in batches of type `dtype` and zeros up to `columns`."""

    def __init__(
        self,
        X: np.ndarray,
        y: np.ndarray | None,
        dtype: torch.dtype,
        device: torch.device,
        batch_rows: int,
        columns: int,
    ) -> None:
        import torch

        # Not in the working type as a whole: a second matrix would be the largest thing in memory.
        self._rows = shared_tensor(X, device)
        self._gathered = self._rows.new_empty(batch_rows, X.shape[1])
        self._batch = torch.zeros(batch_rows, columns, dtype=dtype, device=device)
        self._labels = None if y is None else to_tensor(y, device)

    def batch(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The rows and their targets, until the next call."""
        import torch

        gathered = torch.index_select(self._rows, 0, rows, out=self._gathered[: len(rows)])
        inputs = self._batch[: len(rows)]
        inputs[:, : gathered.shape[1]] = gathered
        return inputs, inputs if self._labels is None else self._labels[rows]


def _mean_loss(network: nn.Module, loss: Loss, X: np.ndarray, y: np.ndarray | None) -> float:
    device = next(network.parameters()).device
    total = 0.0
    for rows in row_blocks(len(X), _BLOCK_ROWS):
        inputs = to_tensor(X[rows], device)
        targets = inputs if y is None else to_tensor(y[rows], device)
        total += float(loss.mean(network(inputs), targets)) * len(inputs)
    return total / len(X)
