"""What networks are trained to lower: each loss with the gradient that the engine needs of it."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import nn


class Loss(Protocol):
    """A mean over the rows of a batch: a class with static methods, or an instance.

    The plain loop derives `mean`; the engine calls `backward`.
    """

    def mean(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The loss of a network's outputs, a scalar."""

    def backward(
        self, outputs: torch.Tensor, targets: torch.Tensor, width: int, gradient: torch.Tensor
    ) -> torch.Tensor:
        """The loss in float32; writes its gradient by padded outputs, `width` of which count."""


class CrossEntropy:
    """Binary cross-entropy of one logit, (n, 1), and targets in [0, 1], float32 (n,)."""

    @staticmethod
    def mean(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The loss, a scalar."""
        return nn.functional.binary_cross_entropy_with_logits(outputs[:, 0], targets)

    @staticmethod
    def backward(
        outputs: torch.Tensor, targets: torch.Tensor, width: int, gradient: torch.Tensor
    ) -> torch.Tensor:
        """The loss; writes its gradient."""
        logits = outputs.float()
        torch.div(logits.sigmoid().sub_(targets[:, None]), len(logits), out=gradient)
        return CrossEntropy.mean(logits, targets)


class SquaredLoss:
    """Squared error, averaged over rows and columns."""

    @staticmethod
    def mean(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The loss, a scalar."""
        return nn.functional.mse_loss(outputs, targets)

    @staticmethod
    def backward(
        outputs: torch.Tensor, targets: torch.Tensor, width: int, gradient: torch.Tensor
    ) -> torch.Tensor:
        """The loss; writes its gradient."""
        values = len(outputs) * width
        torch.sub(outputs, targets, out=gradient)
        squares: torch.Tensor = torch.linalg.vector_norm(gradient, dtype=torch.float32).square()
        gradient *= 2 / values
        return squares / values
