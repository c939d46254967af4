"""One training loop for all networks: seeded, logged per epoch, loud when it diverges."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dokunuki.devices import shared_tensor, to_tensor
from dokunuki.errors import ConfigError, DokunukiError
from dokunuki.progress import Progress

# torch is imported where it is used: whoever only catches the error must not pay for it.
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    import torch
    from torch import Tensor, nn

    from dokunuki.optimiser import Adam, Sgd

    Loss = Callable[[Tensor, Tensor], Tensor]

OPTIMISERS = ("adam", "sgd")
SCHEDULES = ("constant", "cosine")


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
) -> History:
    """Train `network` in place, on the device it lies on, and leave it in evaluation mode.

    `loss(output, target)` is the mean over a batch of rows; `y` None means that the rows are their
    own target. `generator` (on the CPU) orders the rows and seeds dropout. `label` names the
    training in the log. The rows go to the device once. The last batch of an epoch may be
    smaller; one of a single row is left out, since batch normalisation needs two.
    Raises TrainingDivergedError on a loss or weight that is not finite.
    """
    import torch

    device = next(network.parameters()).device
    data = _Rows(X, y, device)
    held_out = None if validation is None else _Rows(*validation, device)
    if len(data) < 2:
        raise DokunukiError(f"{label}: {len(data)} training rows; at least 2 are needed")
    optimiser = _optimiser(network, settings)
    history = History()
    progress = Progress(label, settings.epochs)
    with _seeded_dropout(generator, device):
        for epoch in range(1, settings.epochs + 1):
            learning_rate = _learning_rate(settings, epoch)
            network.train()
            order = torch.randperm(len(data), generator=generator).to(device)
            # Summed on the device: reading every batch's loss would make the device wait.
            total = torch.zeros((), dtype=torch.float64, device=device)
            seen = 0
            for rows in torch.split(order, settings.batch_size):
                if len(rows) < 2:
                    continue
                inputs, targets = data.batch(rows)
                value = loss(network(inputs), targets)
                value.backward()  # type: ignore[no-untyped-call]
                optimiser.step(learning_rate)
                total += value.detach() * len(rows)
                seen += len(rows)
            mean = float(total) / seen
            if not math.isfinite(mean):
                raise TrainingDivergedError(epoch, mean)
            history.loss.append(mean)
            figures = {"loss": mean}
            if held_out is not None:
                network.eval()
                history.validation_loss.append(_mean_loss(network, loss, held_out, settings))
                figures["validation_loss"] = history.validation_loss[-1]
            progress.update(epoch, **figures)
    network.eval()
    # The last step of all has no later loss that would show what it did.
    state = network.state_dict().values()
    if not all(bool(torch.isfinite(values).all()) for values in state):
        raise TrainingDivergedError(settings.epochs, math.nan)
    return history


class _Rows:
    """Rows and their targets on the device."""

    def __init__(self, X: np.ndarray, y: np.ndarray | None, device: torch.device) -> None:
        # Batches are gathered from them into new memory.
        self.inputs = shared_tensor(X, device)
        self.targets = None if y is None else to_tensor(y, device)

    def __len__(self) -> int:
        return len(self.inputs)

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        inputs = self.inputs[rows]
        return inputs, inputs if self.targets is None else self.targets[rows]


@contextmanager
def _seeded_dropout(generator: torch.Generator, device: torch.device) -> Iterator[None]:
    """Dropout draws from torch's global generator: seed it for the block, then put it back."""
    import torch

    seed = int(torch.randint(2**62, (), generator=generator))
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def _optimiser(network: nn.Module, settings: TrainingSettings) -> Adam | Sgd:
    from dokunuki.optimiser import Adam, Sgd

    if settings.optimiser == "sgd":
        return Sgd(
            network.parameters(), momentum=settings.momentum, weight_decay=settings.weight_decay
        )
    return Adam(network.parameters(), weight_decay=settings.weight_decay)


def _learning_rate(settings: TrainingSettings, epoch: int) -> float:
    if settings.schedule == "constant":
        return settings.learning_rate
    progress = (epoch - 1) / settings.epochs
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


def _mean_loss(network: nn.Module, loss: Loss, data: _Rows, settings: TrainingSettings) -> float:
    import torch

    total = 0.0
    with torch.no_grad():
        everything = torch.arange(len(data), device=data.inputs.device)
        for rows in torch.split(everything, settings.batch_size):
            inputs, targets = data.batch(rows)
            total += float(loss(network(inputs), targets)) * len(rows)
    return total / len(data)
