"""The plain PyTorch training loop in float32: the reference that the engine is held against.

`train` takes the arguments of `dokunuki.networks.training.train`, so that an estimator can be
fitted by either (`plainly`); the same generator gives the same initial weights and order of rows,
and other dropout masks.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING
from unittest.mock import patch

import torch

from dokunuki.networks.devices import to_tensor
from dokunuki.networks.training import History, TrainingDivergedError, TrainingSettings
from dokunuki.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from torch import nn

    from dokunuki.networks.engine import Loss
    from dokunuki.networks.training import Augmentation


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
    """Train `network` in place by autograd and in float32; the last three have no say."""
    device = next(network.parameters()).device
    inputs = to_tensor(X, device)
    targets = inputs if y is None else to_tensor(y, device)
    if settings.optimiser == "sgd":
        optimiser: torch.optim.Optimizer = torch.optim.SGD(
            network.parameters(),
            settings.learning_rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            fused=True,
        )
    else:
        optimiser = torch.optim.Adam(
            network.parameters(),
            settings.learning_rate,
            weight_decay=settings.weight_decay,
            fused=True,
        )
    history = History()
    progress = Progress(label, settings.epochs)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        for epoch in range(1, settings.epochs + 1):
            if settings.schedule == "cosine":
                share = 0.5 * (1 + math.cos(math.pi * (epoch - 1) / settings.epochs))
                optimiser.param_groups[0]["lr"] = settings.learning_rate * share
            network.train()
            total, seen = 0.0, 0
            for rows in torch.randperm(len(X), generator=generator).split(settings.batch_size):
                if len(rows) < 2:
                    continue
                optimiser.zero_grad()
                value = loss.mean(network(inputs[rows]), targets[rows])
                value.backward()
                optimiser.step()
                total += float(value.detach()) * len(rows)
                seen += len(rows)
            if not math.isfinite(total):
                raise TrainingDivergedError(epoch, total)
            history.loss.append(total / seen)
            progress.update(epoch, loss=total / seen)
    network.eval()
    return history


@contextmanager
def plainly() -> Iterator[None]:
    """Within the block, estimators train by the plain loop."""
    with patch("dokunuki.networks.estimator.train", train):
        yield
