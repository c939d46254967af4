"""Anti-Backdoor Learning (Li et al., NeurIPS 2021): isolate what is learnt first, then unlearn it.

It builds on backdoors being learnt faster than anything else: early in training, the poisoned rows
are those with the lowest loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import nn

from dokunuki.defences.classifier_training import ClassifierTraining
from dokunuki.errors import ConfigError
from dokunuki.networks.losses import CrossEntropy
from dokunuki.seeding import generator

# Added to the label of an isolated row, to tell the loss which ones they are.
_MARK = 2
# The share of isolated rows in each batch while they are unlearnt.
_SUSPECTS = 0.1


@dataclass(eq=False, repr=False)
class AntiBackdoorLearning(ClassifierTraining):
    """ABL: three phases on a copy of a network classifier, as many epochs in all as it has itself.

    1. Isolation, the first `isolation_epochs` (a share of all epochs): the loss is held at `gamma`,
       driven up again where it falls below (local gradient ascent); only what is learnt fastest
       falls further. The rows with the lowest losses then are isolated, `isolated_share` of all:
       the poison rate that is **assumed**, 1 % in the paper.
    2. Training on the other rows.
    3. Unlearning, the last `unlearning_epochs` (a share): the mean loss goes down over the other
       rows and up over the isolated ones (global gradient ascent), at `unlearning_rate` times the
       classifier's learning rate.

    Shares of epochs and `gamma` are the paper's, though with two classes the loss begins at 0.69
    and not at 2.3. Its formula for the isolation has the sign inside of the mean over rows; here a
    batch has one sign, since by row the rows learnt fastest would be held at `gamma` as well.
    Batches seldom hold isolated rows: in the last phase a tenth of each batch is replaced by them.
    The ascent has no end of its own: `unlearning_rate` trades accuracy for forgetting, and the
    default is as large as leaves accuracy within about a point at 8,000 rows and batches of 64.

    After `fit`: `classifier_`, `isolated_indices_` (int64, in ascending order; not after `load`).
    """

    estimator: Any = None
    isolated_share: float = 0.01
    gamma: float = 0.5
    isolation_epochs: float = 0.2
    unlearning_epochs: float = 0.2
    unlearning_rate: float = 0.03

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Train on standardised rows, float32 (n, width), and labels of two classes.

        At least two rows are isolated, and each phase has at least one epoch. Raises ConfigError
        for a parameter out of range or a classifier without network.
        """
        for name in ("isolated_share", "isolation_epochs", "unlearning_epochs"):
            if not 0 < getattr(self, name) < 1:
                raise ConfigError(f"{name}: {getattr(self, name)!r} must be above 0 and below 1")
        X, y = np.asarray(X), np.asarray(y)
        classifier = self._unfitted_network()
        isolation, training, unlearning = self._epochs(classifier.epochs)
        classifier.set_params(epochs=isolation).fit(X, y, loss=LocalGradientAscent(self.gamma))

        isolated = np.zeros(len(X), dtype=bool)
        count = max(2, round(self.isolated_share * len(X)))
        isolated[np.argsort(classifier.losses(X, y), kind="stable")[:count]] = True
        self.isolated_indices_ = np.flatnonzero(isolated)
        suspects, others = (X[isolated], y[isolated]), (X[~isolated], y[~isolated])

        classifier.fit_more(*others, epochs=training)
        classifier.fit_more(
            *others,
            loss=GlobalGradientAscent(),
            augment=SuspectMixer(*suspects, seed=classifier.seed),
            epochs=unlearning,
            learning_rate=self.unlearning_rate * classifier.learning_rate,
        )
        self.classifier_ = classifier.set_params(epochs=isolation + training + unlearning)
        return self

    def _epochs(self, epochs: int) -> tuple[int, int, int]:
        isolation = max(1, round(self.isolation_epochs * epochs))
        unlearning = max(1, round(self.unlearning_epochs * epochs))
        return isolation, max(1, epochs - isolation - unlearning), unlearning


@dataclass(eq=False, repr=False)
class LocalGradientAscent:
    """Local gradient ascent: sign(l - gamma) l for the mean cross-entropy l of a batch."""

    gamma: float

    def mean(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The loss of logits (n, 1) and labels (n,), a scalar."""
        loss = CrossEntropy.mean(outputs, targets)
        return torch.sign(loss - self.gamma) * loss

    def backward(
        self, outputs: torch.Tensor, targets: torch.Tensor, width: int, gradient: torch.Tensor
    ) -> torch.Tensor:
        """The loss; writes its gradient."""
        loss = CrossEntropy.backward(outputs, targets, width, gradient)
        sign = torch.sign(loss - self.gamma)
        gradient *= sign
        return sign * loss


class SuspectMixer:
    """Puts isolated rows, marked, in the place of the last rows of each batch."""

    def __init__(self, X: np.ndarray, y: np.ndarray, seed: int) -> None:
        self._rows, self._labels = torch.from_numpy(X), torch.from_numpy(np.float32(y))
        self._random = generator(seed, "unlearning")

    def __call__(
        self, rows: torch.Tensor, targets: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The batch with suspects (n, columns) and its targets (n,), in memory of their own."""
        count = max(1, round(_SUSPECTS * len(rows)))
        chosen = self._random.integers(len(self._rows), size=count)
        rows, targets = rows.clone(), targets.clone()
        rows[-count:, : self._rows.shape[1]] = self._rows[chosen].to(rows)
        targets[-count:] = self._labels[chosen].to(targets) + _MARK
        return rows, targets


class GlobalGradientAscent:
    """Global gradient ascent: the mean cross-entropy of ordinary rows less that of marked ones."""

    def mean(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The loss of logits (n, 1) and targets (n,): labels, for marked rows 2 more."""
        labels, weights = self._labels_and_weights(targets)
        losses = nn.functional.binary_cross_entropy_with_logits(
            outputs[:, 0].float(), labels, reduction="none"
        )
        return (weights * losses).sum()

    def backward(
        self, outputs: torch.Tensor, targets: torch.Tensor, width: int, gradient: torch.Tensor
    ) -> torch.Tensor:
        """The loss; writes its gradient."""
        labels, weights = self._labels_and_weights(targets)
        errors = outputs.float().sigmoid().sub_(labels[:, None])
        torch.mul(errors, weights[:, None], out=gradient)
        return self.mean(outputs, targets)

    @staticmethod
    def _labels_and_weights(targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        marked = targets >= _MARK
        suspects = marked.sum().clamp(min=1)
        others = (~marked).sum().clamp(min=1)
        return targets - _MARK * marked, torch.where(marked, -1 / suspects, 1 / others)
