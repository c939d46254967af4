"""Stochastic gradient descent and Adam in one pass over float32 masters and their working copies.

The kernels are those of torch's fused optimisers. Its optimiser classes import its compiler on
first use, which costs a second per process: as much as training a small network.
"""

from __future__ import annotations

import torch

_ADAM_BETAS = (0.9, 0.999)
_ADAM_EPSILON = 1e-8
# Values updated at once, so that a gradient made float32 and a master on its way to its working
# copy are still in the processor's cache.
_CACHED_VALUES = 2**18


class Optimiser:
    """Updates flat float32 `masters` by flat `gradients` and refreshes their `working` copies.

    `gradients` and `working` have the working type; in float32 `working` are the masters
    themselves. `weight_decay` is an L2 penalty. A learning rate is given with every step.
    """

    def __init__(
        self,
        masters: torch.Tensor,
        gradients: torch.Tensor,
        working: torch.Tensor,
        *,
        weight_decay: float,
    ) -> None:
        self.weight_decay = weight_decay
        self._converts = working.dtype != masters.dtype
        in_parts = self._converts and masters.device.type == "cpu"
        self._length = _CACHED_VALUES if in_parts else len(masters)
        self._parts = list(zip(*map(self._split, (masters, gradients, working)), strict=True))
        self._gradient = masters.new_empty(self._length) if self._converts else None

    def step(self, learning_rate: float) -> None:
        """Update all masters and working copies."""
        for part, (masters, gradient, working) in enumerate(self._parts):
            if self._gradient is None:
                self._update(part, masters, gradient, learning_rate)
            else:
                converted = self._gradient[: len(gradient)].copy_(gradient)
                self._update(part, masters, converted, learning_rate)
                working.copy_(masters)

    def _split(self, values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return torch.split(values, self._length)

    def _update(
        self, part: int, masters: torch.Tensor, gradient: torch.Tensor, learning_rate: float
    ) -> None:
        raise NotImplementedError


class Sgd(Optimiser):
    """Gradient descent with momentum."""

    def __init__(
        self, masters: torch.Tensor, *buffers: torch.Tensor, momentum: float, weight_decay: float
    ) -> None:
        super().__init__(masters, *buffers, weight_decay=weight_decay)
        self.momentum = momentum
        self._velocities = self._split(torch.zeros_like(masters))

    def _update(
        self, part: int, masters: torch.Tensor, gradient: torch.Tensor, learning_rate: float
    ) -> None:
        torch._fused_sgd_(
            [masters],
            [gradient],
            [self._velocities[part]] if self.momentum else [],
            weight_decay=self.weight_decay,
            momentum=self.momentum,
            lr=learning_rate,
            dampening=0.0,
            nesterov=False,
            maximize=False,
            is_first_step=False,
        )


class Adam(Optimiser):
    """Adam with its authors' constants."""

    def __init__(self, masters: torch.Tensor, *buffers: torch.Tensor, weight_decay: float) -> None:
        super().__init__(masters, *buffers, weight_decay=weight_decay)
        self._means = self._split(torch.zeros_like(masters))
        self._squares = self._split(torch.zeros_like(masters))
        self._steps = torch.zeros((), device=masters.device)

    def step(self, learning_rate: float) -> None:
        """Update all masters and working copies."""
        self._steps += 1
        super().step(learning_rate)

    def _update(
        self, part: int, masters: torch.Tensor, gradient: torch.Tensor, learning_rate: float
    ) -> None:
        torch._fused_adam_(
            [masters],
            [gradient],
            [self._means[part]],
            [self._squares[part]],
            [],
            [self._steps],
            lr=learning_rate,
            beta1=_ADAM_BETAS[0],
            beta2=_ADAM_BETAS[1],
            weight_decay=self.weight_decay,
            eps=_ADAM_EPSILON,
            amsgrad=False,
            maximize=False,
        )
