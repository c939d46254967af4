"""One training loop for all networks: seeded, logged per epoch, loud when it diverges."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dokunuki.errors import ConfigError, DokunukiError
from dokunuki.networks.devices import shared_tensor, to_tensor
from dokunuki.progress import Progress

# torch is imported where it is used: whoever only catches the error must not pay for it.
if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import torch
    from torch import nn

    from dokunuki.networks.engine import Loss, Parameters
    from dokunuki.networks.optimiser import Optimiser

    Augmentation = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]

OPTIMISERS = ("adam", "sgd")
SCHEDULES = ("constant", "cosine")
# Rows judged at once: bounds the memory.
_BLOCK_ROWS = 4096


class TrainingDivergedError(DokunukiError):
    """The loss or the weights became infinite or NaN; `epoch` counts from 1."""

    def __init__(self, epoch: int, loss: float) -> None:
        super().__init__(
            f"training diverged in epoch {epoch} (loss {loss}); lower learning_rate or choose "
            "another optimiser"
        )
        self.epoch = epoch
        self.loss = loss


@dataclass(frozen=True)
class TrainingSettings:
    """How a network is trained. Raises ConfigError for a value outside its range.

    `momentum` is used by sgd only. `weight_decay` is the L2 penalty on all weights. The cosine
    schedule lowers the learning rate after each epoch, from its full value towards 0.
    """

    optimiser: str = "adam"
    learning_rate: float = 1e-3
    momentum: float = 0.9
    weight_decay: float = 0.0
    batch_size: int = 512
    epochs: int = 10
    schedule: str = "constant"

    def __post_init__(self) -> None:
        ranges = {
            "optimiser": (self.optimiser in OPTIMISERS, f"one of {', '.join(OPTIMISERS)}"),
            "learning_rate": (self.learning_rate > 0, "above 0"),
            "momentum": (0 <= self.momentum < 1, "in [0, 1)"),
            "weight_decay": (self.weight_decay >= 0, "at least 0"),
            # A batch of one row has no variance to normalise by.
            "batch_size": (self.batch_size >= 2, "at least 2"),
            "epochs": (self.epochs >= 1, "at least 1"),
            "schedule": (self.schedule in SCHEDULES, f"one of {', '.join(SCHEDULES)}"),
        }
        for name, (holds, wanted) in ranges.items():
            if not holds:
                raise ConfigError(f"{name}: {getattr(self, name)!r} must be {wanted}")


@dataclass
class History:
    """Mean loss per epoch; over the validation rows too where there were some."""

    loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)


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

    `loss` is one of `dokunuki.networks.engine`; `y` None means that the rows are their own target.
    `generator` (on the CPU) orders the rows and seeds dropout. `label` names the training in the
    log. `dtype` is the type of rows and products, None for float32; the loss over the validation
    rows is always taken in float32. `augment` changes each batch of rows and targets before the
    network sees it; the validation rows are not changed. The rows go to the device once. The last
    batch of an epoch may be smaller; one of a single row is left out, since batch normalisation
    needs two.
    Raises TrainingDivergedError on a loss or weight that is not finite.
    """
    import torch

    from dokunuki.networks.engine import Engine

    if len(X) < 2:
        raise DokunukiError(f"{label}: {len(X)} training rows; at least 2 are needed")
    device = next(network.parameters()).device
    dtype = dtype or torch.float32
    batch_rows = min(settings.batch_size, len(X))
    data = _Rows(X, y, dtype, device, batch_rows)
    dropout = torch.Generator(device)
    dropout.manual_seed(int(torch.randint(2**62, (), generator=generator)))
    engine = Engine(network, loss, dtype, batch_rows, dropout)
    optimiser = _optimiser(engine.parameters, settings)
    history = History()
    progress = Progress(label, settings.epochs)
    network.eval()
    with torch.no_grad():
        for epoch in range(1, settings.epochs + 1):
            learning_rate = _learning_rate(settings, epoch)
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
                total += engine.gradient_step(inputs, targets) * len(rows)
                optimiser.step(learning_rate)
                seen += len(rows)
            mean = float(total) / seen
            if not math.isfinite(mean):
                raise TrainingDivergedError(epoch, mean)
            history.loss.append(mean)
            figures = {"loss": mean}
            if validation is not None:
                engine.store()
                history.validation_loss.append(_mean_loss(network, loss, *validation))
                figures["validation_loss"] = history.validation_loss[-1]
            progress.update(epoch, **figures)
        del optimiser  # its memory makes room for the network's
        engine.store()
    # The last step of all has no later loss that would show what it did.
    state = network.state_dict().values()
    if not all(bool(torch.isfinite(values).all()) for values in state):
        raise TrainingDivergedError(settings.epochs, math.nan)
    return history


class _Rows:
    """Rows on the device, handed out batch by batch, padded and in the working type."""

    def __init__(
        self,
        X: np.ndarray,
        y: np.ndarray | None,
        dtype: torch.dtype,
        device: torch.device,
        batch_rows: int,
    ) -> None:
        import torch

        from dokunuki.networks.layers import padded

        # Not in the working type as a whole: a second matrix would be the largest thing in memory.
        self._rows = shared_tensor(X, device)
        self._gathered = self._rows.new_empty(batch_rows, X.shape[1])
        self._batch = torch.zeros(batch_rows, padded(X.shape[1]), dtype=dtype, device=device)
        self._labels = None if y is None else to_tensor(y, device)

    def batch(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The rows and their targets, until the next call."""
        import torch

        gathered = torch.index_select(self._rows, 0, rows, out=self._gathered[: len(rows)])
        inputs = self._batch[: len(rows)]
        inputs[:, : gathered.shape[1]] = gathered
        return inputs, inputs if self._labels is None else self._labels[rows]


def _optimiser(parameters: Parameters, settings: TrainingSettings) -> Optimiser:
    from dokunuki.networks.optimiser import Adam, Sgd

    buffers = (parameters.masters, parameters.gradients, parameters.working)
    if settings.optimiser == "sgd":
        return Sgd(*buffers, momentum=settings.momentum, weight_decay=settings.weight_decay)
    return Adam(*buffers, weight_decay=settings.weight_decay)


def _learning_rate(settings: TrainingSettings, epoch: int) -> float:
    if settings.schedule == "constant":
        return settings.learning_rate
    progress = (epoch - 1) / settings.epochs
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


def _mean_loss(network: nn.Module, loss: Loss, X: np.ndarray, y: np.ndarray | None) -> float:
    device = next(network.parameters()).device
    total = 0.0
    for start in range(0, len(X), _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        inputs = to_tensor(X[rows], device)
        targets = inputs if y is None else to_tensor(y[rows], device)
        total += float(loss.mean(network(inputs), targets)) * len(inputs)
    return total / len(X)
