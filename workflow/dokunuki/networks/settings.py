"""How a network is trained and what comes of it: settings, losses per epoch, divergence."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dokunuki.errors import ConfigError, DokunukiError

if TYPE_CHECKING:
    from collections.abc import Sequence

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


# Parts inherit these fields: they compare by identity and have a `__repr__` of their own.
@dataclass(kw_only=True, eq=False, repr=False)
class TrainingSettings:
    """How a network is trained.

    `momentum` is used by sgd only. `weight_decay` is the L2 penalty on all weights. The cosine
    schedule lowers the learning rate after each epoch, from its full value towards 0.

    Training has converged, and ends before `epochs`, once the least training loss of the last
    `n_iter_no_change` epochs lies below the least one before them by less than `tol` times the
    first epoch's loss. The names are scikit-learn's; there `tol` is absolute, which would mean
    another thing to every loss. A `tol` of 0 never ends training early.
    """

    optimiser: str = "adam"
    learning_rate: float = 1e-3
    momentum: float = 0.9
    weight_decay: float = 0.0
    batch_size: int = 512
    epochs: int = 10
    schedule: str = "constant"
    tol: float = 0.0
    n_iter_no_change: int = 5

    def check(self) -> None:
        """Raise ConfigError for a value outside its range."""
        ranges = {
            "optimiser": (self.optimiser in OPTIMISERS, f"one of {', '.join(OPTIMISERS)}"),
            "learning_rate": (self.learning_rate > 0, "above 0"),
            "momentum": (0 <= self.momentum < 1, "in [0, 1)"),
            "weight_decay": (self.weight_decay >= 0, "at least 0"),
            # A batch of one row has no variance to normalise by.
            "batch_size": (self.batch_size >= 2, "at least 2"),
            "epochs": (self.epochs >= 1, "at least 1"),
            "schedule": (self.schedule in SCHEDULES, f"one of {', '.join(SCHEDULES)}"),
            "tol": (0 <= self.tol < math.inf, "finite and at least 0"),
            "n_iter_no_change": (self.n_iter_no_change >= 1, "at least 1"),
        }
        for name, (holds, wanted) in ranges.items():
            if not holds:
                raise ConfigError(f"{name}: {getattr(self, name)!r} must be {wanted}")

    def converged(self, losses: Sequence[float]) -> bool:
        """Whether the training losses of all epochs so far say that training has converged."""
        last, before = losses[-self.n_iter_no_change :], losses[: -self.n_iter_no_change]
        return bool(self.tol and before) and min(last) > min(before) - self.tol * losses[0]

    def rate_in(self, epoch: int) -> float:
        """The learning rate in an epoch, which counts from 1."""
        if self.schedule == "constant":
            return self.learning_rate
        progress = (epoch - 1) / self.epochs
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


@dataclass
class History:
    """Mean loss per epoch; over the validation rows too where there were some."""

    loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
