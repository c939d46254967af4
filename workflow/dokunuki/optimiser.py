"""Stochastic gradient descent and Adam, through torch's fused functional forms.

torch's optimiser classes import its compiler on first use, which costs a second per process: as
much as training a small network. The update itself is the same kernel either way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.optim.adam import adam
from torch.optim.sgd import sgd

if TYPE_CHECKING:
    from collections.abc import Iterable

_ADAM_BETAS = (0.9, 0.999)
_ADAM_EPSILON = 1e-8


class Sgd:
    """Gradient descent with momentum; `weight_decay` is an L2 penalty."""

    def __init__(
        self, parameters: Iterable[torch.Tensor], *, momentum: float, weight_decay: float
    ) -> None:
        self.parameters = list(parameters)
        self.momentum = momentum
        self.weight_decay = weight_decay
        self._velocities = [torch.zeros_like(values) for values in self.parameters]

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Update all parameters by their gradients, then forget these."""
        sgd(
            self.parameters,
            _gradients(self.parameters),
            self._velocities,  # type: ignore[arg-type]
            has_sparse_grad=False,
            foreach=False,
            fused=True,
            weight_decay=self.weight_decay,
            momentum=self.momentum,
            lr=learning_rate,
            dampening=0.0,
            nesterov=False,
            maximize=False,
        )
        _forget(self.parameters)


class Adam:
    """Adam with its authors' constants; `weight_decay` is an L2 penalty."""

    def __init__(self, parameters: Iterable[torch.Tensor], *, weight_decay: float) -> None:
        self.parameters = list(parameters)
        self.weight_decay = weight_decay
        self._means = [torch.zeros_like(values) for values in self.parameters]
        self._squares = [torch.zeros_like(values) for values in self.parameters]
        self._steps = [torch.zeros((), device=values.device) for values in self.parameters]

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Update all parameters by their gradients, then forget these."""
        adam(
            self.parameters,
            _gradients(self.parameters),
            self._means,
            self._squares,
            [],
            self._steps,
            foreach=False,
            fused=True,
            amsgrad=False,
            beta1=_ADAM_BETAS[0],
            beta2=_ADAM_BETAS[1],
            lr=learning_rate,
            weight_decay=self.weight_decay,
            eps=_ADAM_EPSILON,
            maximize=False,
        )
        _forget(self.parameters)


def _gradients(parameters: list[torch.Tensor]) -> list[torch.Tensor]:
    return [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]


def _forget(parameters: list[torch.Tensor]) -> None:
    for values in parameters:
        values.grad = None
