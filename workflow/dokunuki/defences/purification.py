"""PBP: a trained network is purified with clean rows (Nguyen et al., NDSS 2025).

"PBP: Post-training Backdoor Purification for Malware Classifiers" has two phases: a mask of the
neurons that a backdoor is thought to sit in, and fine-tuning whose steps are reversed within it.
What is said here of either was read in the authors' program, as published with the paper
(judydnguyen/pbp-backdoor-purification-official on GitHub, commit 5de3fe3).
"""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import nn

from dokunuki.defences.classifier_training import ClassifierTraining
from dokunuki.errors import ConfigError
from dokunuki.networks.devices import to_tensor
from dokunuki.networks.optimiser import Adam
from dokunuki.networks.settings import TrainingDivergedError
from dokunuki.parts.estimator import checked_rows
from dokunuki.seeding import generator, stream_seed

if TYPE_CHECKING:
    from collections.abc import Iterator

# The weight of the alignment beside the cross-entropy, and the learning rate, in the first phase.
_ALIGNMENT = 0.001
_MASK_LEARNING_RATE = 0.002
# Every so many epochs of the second phase, what these changed within the mask is turned round.
_TURNED_EVERY = 2


@dataclass(eq=False, repr=False)
class PostTrainingPurification(ClassifierTraining):
    """Trains a copy of a network on the contaminated rows, then purifies it with clean ones.

    1. *Mask.* A network of the same shape with random parameters is trained on the clean rows for
       `mask_epochs`, by cross-entropy and, at a small weight, by how far the mean inputs of its
       batch normalisations lie from the running means of the contaminated network. The share
       `masked` of all parameters with the largest gradients in the last batch is the mask.
    2. *Fine-tuning.* Noise is added to the contaminated network's weights, and it is trained on
       with the clean rows, by Adam at `learning_rate`, for `epochs`. After every step the last
       layer is scaled back to the norm that it had. After the first epoch, and every second one
       from there, the change since the last time is kept, with its sign reversed in the mask.

    `masked`, `mask_epochs` and `learning_rate` are the program's values. It penalises the variances
    of the inputs too, but without a gradient, so that they have no effect; they are left out here.

    Ours: the standard deviation of the noise, `noise`, and that of the random parameters are in
    units of each tensor's own root mean square. The program's are 0.5 as they stand, many times the
    size of a weight, which its tens of thousands of clean rows can make good, and a few hundred
    cannot. 2 and 60 epochs instead of 5 were chosen on the made-up rows of the unit test, where 0.5
    left the backdoor as it was. Dropout, which the authors' network does not have, is off during
    purification. The defence needs rows that no attacker saw, and is for comparison only.

    `seed` decides noise, random parameters and the order of rows.

    After `fit` or `load`: `classifier_`, `classes_`, `device_`.
    """

    estimator: Any = None
    masked: float = 0.05
    mask_epochs: int = 1
    noise: float = 2.0
    epochs: int = 60
    learning_rate: float = 4e-4
    seed: int = 0

    def give_clean_rows(self, X: np.ndarray, y: np.ndarray) -> None:
        """Take clean rows, standardised as the training rows are, float32 (c, width)."""
        self._clean = checked_rows(X), np.asarray(y)

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Train on standardised rows, float32 (n, width), and labels of two classes; then purify.

        Raises ConfigError when no clean rows were given, for a parameter out of range or a
        classifier without batch normalisation, and TrainingDivergedError where the loss or a weight
        does not stay finite.
        """
        self._check_parameters()
        if len(getattr(self, "_clean", ((), ()))[1]) < 2:
            raise ConfigError(
                "PostTrainingPurification: was given no clean rows; set sample.clean_rows and, in "
                "its entry of defences, ledger: {clean_rows: true}"
            )
        classifier = self._unfitted_network().fit(X, y)
        network = classifier.network_
        if not _normalisations(network):
            raise ConfigError(
                f"PostTrainingPurification needs a network with batch normalisation; "
                f"{type(classifier).__name__} has none: leave the pair out with grid.restricted"
            )
        device = next(network.parameters()).device
        rows = to_tensor(self._clean[0], device)
        malware = self._clean[1] == classifier.classes_[1]
        targets = to_tensor(malware.astype(np.float32), device)
        data = _Batches(rows, targets, classifier.batch_size)
        mask = self._mask(network, data)
        self._purify(network, mask, data)
        network.eval()
        self.classifier_ = classifier
        return self

    def _mask(self, contaminated: nn.Module, data: _Batches) -> torch.Tensor:
        """Where a backdoor is thought to sit, bool, for each of the network's parameters."""
        network = deepcopy(contaminated)
        wanted = [norm.state_dict()["running_mean"] for norm in _normalisations(contaminated)]
        learner = _Learner(network)
        random = self._generator("random parameters")
        with torch.no_grad():
            for values in network.parameters():
                values.copy_(_like(values, random))
        means: list[torch.Tensor] = []

        def note(_: nn.Module, inputs: tuple[torch.Tensor]) -> None:
            means.append(inputs[0].mean(dim=0))

        for norm in _normalisations(network):
            norm.register_forward_pre_hook(note)
        order = generator(self.seed, "PBP", "order of the mask")
        for epoch in range(1, self.mask_epochs + 1):
            for rows, targets in data.epoch(order):
                means.clear()
                loss = _cross_entropy(network, rows, targets)
                for mean, own in zip(wanted, means, strict=True):
                    loss = loss + _ALIGNMENT * torch.linalg.vector_norm(own - mean)
                learner.step(loss, _MASK_LEARNING_RATE, epoch)
        # On the processor and stable: of equal gradients (many are 0), the same must be taken.
        sizes = learner.gradients.abs().cpu()
        largest = torch.argsort(sizes, descending=True, stable=True)
        chosen = torch.zeros(len(sizes), dtype=torch.bool)
        chosen[largest[: int(self.masked * len(sizes))]] = True
        return chosen.to(learner.values.device)

    def _purify(self, network: nn.Module, mask: torch.Tensor, data: _Batches) -> None:
        learner = _Learner(network)
        *_, last, _ = network.parameters()  # and the last layer's bias
        norm = torch.linalg.vector_norm(last.detach())
        random = self._generator("noise")
        with torch.no_grad():
            for name, values in network.named_parameters():
                if name.endswith("weight"):
                    values.add_(self.noise * _like(values, random))
        before = learner.values.clone()
        order = generator(self.seed, "PBP", "order of rows")
        for epoch in range(1, self.epochs + 1):
            for rows, targets in data.epoch(order):
                learner.step(_cross_entropy(network, rows, targets), self.learning_rate, epoch)
                with torch.no_grad():
                    last.mul_(norm / torch.linalg.vector_norm(last))
            if epoch % _TURNED_EVERY == 1:
                turned = torch.where(mask, 2 * before - learner.values, learner.values)
                before = learner.values.copy_(turned).clone()
        if not bool(torch.isfinite(learner.values).all()):
            raise TrainingDivergedError(self.epochs, math.nan)

    def _generator(self, name: str) -> torch.Generator:
        # On the processor, so that it draws the same for every device.
        return torch.Generator().manual_seed(stream_seed(self.seed, "PBP", name))

    def _check_parameters(self) -> None:
        if not 0 <= self.masked < 1:
            raise ConfigError(f"masked: {self.masked!r} must be in [0, 1)")
        if self.noise < 0:
            raise ConfigError(f"noise: {self.noise!r} must be at least 0")
        if self.learning_rate <= 0:
            raise ConfigError(f"learning_rate: {self.learning_rate!r} must be above 0")
        for name in ("mask_epochs", "epochs"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: {getattr(self, name)!r} must be at least 1")


class _Batches:
    """Rows and targets on the device, in batches of `size` rows or more: none of a single row."""

    def __init__(self, rows: torch.Tensor, targets: torch.Tensor, size: int) -> None:
        self._rows, self._targets = rows, targets
        self._count = max(1, len(rows) // max(2, size))

    def epoch(self, order: np.random.Generator) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Every row once, in a new order."""
        for batch in np.array_split(order.permutation(len(self._rows)), self._count):
            chosen = torch.from_numpy(batch).to(self._rows.device)
            yield self._rows[chosen], self._targets[chosen]


def _normalisations(network: nn.Module) -> list[nn.BatchNorm1d]:
    return [module for module in network.modules() if isinstance(module, nn.BatchNorm1d)]


class _Learner:
    """Trains a network by Adam: batches normalise themselves, and nothing is dropped.

    `values` and `gradients` are the memory of all its parameters, one after the other, (p,).
    """

    def __init__(self, network: nn.Module) -> None:
        network.eval()
        for norm in _normalisations(network):
            norm.train()
        parameters = list(network.parameters())
        self.values = torch.cat([held.detach().flatten() for held in parameters])
        self.gradients = torch.zeros_like(self.values)
        sizes = [held.numel() for held in parameters]
        parts = (torch.split(whole, sizes) for whole in (self.values, self.gradients))
        for held, values, gradients in zip(parameters, *parts, strict=True):
            held.data = values.view_as(held)
            held.grad = gradients.view_as(held)
        self._optimiser = Adam(self.values, self.gradients, self.values, weight_decay=0.0)

    def step(self, loss: torch.Tensor, learning_rate: float, epoch: int) -> None:
        if not bool(torch.isfinite(loss)):
            raise TrainingDivergedError(epoch, float(loss.detach()))
        self.gradients.zero_()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step(learning_rate)


def _like(values: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """Normal numbers of the shape and the root mean square of `values`."""
    drawn = torch.randn(values.shape, generator=random).to(values.device)
    return drawn * values.square().mean().sqrt()


def _cross_entropy(network: nn.Module, rows: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return nn.functional.binary_cross_entropy_with_logits(network(rows).squeeze(1), targets)
