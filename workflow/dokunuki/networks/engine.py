"""Training steps for dense networks without autograd: few passes over buffers allocated once.

Products, activations and gradients have the working type (bfloat16 where the processor is fast in
it, else float32); weights are updated in float32. The trained network is an ordinary torch module
in float32.
"""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import nn

from dokunuki.errors import DokunukiError
from dokunuki.networks.layers import (
    ALIGNMENT,
    BatchNorm,
    Coefficients,
    Dense,
    Dropout,
    Elu,
    GaussianNoise,
    Layer,
    Noise,
    Relu,
    Tanh,
    padded,
)

_ACTIVATIONS: dict[type[nn.Module], type[Layer]] = {nn.ReLU: Relu, nn.ELU: Elu, nn.Tanh: Tanh}


class Loss(Protocol):
    """A mean over the rows of a batch: a class with static methods, or an instance."""

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


class Parameters:
    """A network's parameters, padded, side by side in flat buffers.

    `masters` are float32; `working` copies and `gradients` have the type `dtype`. In float32 the
    masters serve as working copies. The network gives up its own until `store`: they would take
    as much memory as the masters.
    """

    def __init__(self, network: nn.Module, dtype: torch.dtype) -> None:
        self._parameters = list(network.parameters())
        device = self._parameters[0].device
        self._places: dict[nn.Parameter, tuple[slice, list[int]]] = {}
        self._inner = {p: tuple(slice(size) for size in p.shape) for p in self._parameters}
        total = 0
        for parameter in self._parameters:
            shape = [padded(size) for size in parameter.shape]
            size = math.prod(shape)
            self._places[parameter] = (slice(total, total + size), shape)
            # Products round differently when a tensor starts elsewhere.
            total += -(-size // ALIGNMENT) * ALIGNMENT
        self.masters = torch.zeros(total, device=device)
        for parameter in self._parameters:
            self._master(parameter).copy_(parameter.detach())
            parameter.data = parameter.new_empty(0)
        self.working = self.masters if dtype == torch.float32 else self.masters.to(dtype)
        self.gradients = torch.zeros(total, dtype=dtype, device=device)

    def view(self, flat: torch.Tensor, parameter: nn.Parameter) -> torch.Tensor:
        """The place of a parameter in one of the buffers, padded."""
        place, shape = self._places[parameter]
        return flat[place].view(shape)

    def store(self) -> None:
        """Give the network copies of the masters."""
        for parameter in self._parameters:
            parameter.data = self._master(parameter).clone(memory_format=torch.contiguous_format)

    def _master(self, parameter: nn.Parameter) -> torch.Tensor:
        return self.view(self.masters, parameter)[self._inner[parameter]]


class Engine:
    """Computes the gradients of `network` over batches of at most `rows` rows of type `dtype`.

    `network` is made of Linear, ReLU, ELU, Tanh, BatchNorm1d, Dropout, GaussianNoise and Identity,
    in whatever containers, applied in the order of their definition; any other raises
    DokunukiError. `generator`, on the network's device, draws dropout and noise. An optimiser works
    on the buffers of `parameters`; the network itself changes at `store` only.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: Loss,
        dtype: torch.dtype,
        rows: int,
        generator: torch.Generator,
    ) -> None:
        self.parameters = Parameters(network, dtype)
        self._loss = loss
        self._steps = 0
        self._norms: list[tuple[nn.BatchNorm1d, BatchNorm]] = []
        self._layers: list[Layer] = []
        modules = [module for module in network.modules() if not any(module.children())]
        self._width = next(m.in_features for m in modules if isinstance(m, nn.Linear))
        for module in modules:
            self._add(module, rows, dtype, generator)
        # Nothing before the first dense layer has anything to learn.
        dense = [layer for layer in self._layers if isinstance(layer, Dense)]
        self._first = dense[0]
        self._later = self._layers[self._layers.index(self._first) + 1 :]
        self._gradient = torch.zeros(
            rows, padded(self._width), dtype=dtype, device=generator.device
        )

    def gradient_step(self, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Compute the gradients of a batch; its mean loss, a float32 scalar on the device.

        `inputs` (n, padded columns) have the working type, and so have `targets` where they are
        rows; where they are labels they are float32 (n,).
        """
        self._steps += 1
        values = inputs
        for layer in self._layers:
            values = layer.forward(values)
        gradient = self._gradient[: len(inputs)]
        loss = self._loss.backward(values, targets, self._width, gradient)
        for layer in reversed(self._later):
            gradient = layer.backward(gradient)
        self._first.backward_coefficients(gradient)
        return loss

    def store(self) -> None:
        """Write weights and running statistics back into the network."""
        self.parameters.store()
        for module, layer in self._norms:
            mean, variance, batches = module.buffers()
            mean.copy_(layer.mean[: len(mean)])
            variance.copy_(layer.variance[: len(variance)])
            batches += self._steps
        self._steps = 0

    def _add(
        self, module: nn.Module, rows: int, dtype: torch.dtype, generator: torch.Generator
    ) -> None:
        """Append the layer that does what `module` does; `_width` is that of its inputs."""
        if isinstance(module, nn.Linear):
            held = self._coefficients(module, self.parameters.working)
            self._layers.append(Dense(held, rows))
            self._width = module.out_features
        elif isinstance(module, nn.BatchNorm1d) and module.momentum is not None:
            held = self._coefficients(module, self.parameters.masters)
            mean, variance = torch.zeros_like(held.weight), torch.ones_like(held.weight)
            for target, buffer in zip((mean, variance), module.buffers(), strict=False):
                target[: len(buffer)] = buffer
            norm = BatchNorm(held, mean, variance, module.momentum, module.eps)
            self._norms.append((module, norm))
            self._layers.append(norm)
        elif isinstance(module, nn.Dropout):
            if module.p:
                self._layers.append(Dropout(module.p, rows, padded(self._width), dtype, generator))
        elif isinstance(module, GaussianNoise):
            self._layers.append(Noise(module.deviation, rows, self._width, dtype, generator))
        elif type(module) in _ACTIVATIONS:
            self._layers.append(_ACTIVATIONS[type(module)]())
        elif not isinstance(module, nn.Identity):
            raise DokunukiError(f"the training engine has no layer for {module}")

    def _coefficients(self, module: nn.Module, flat: torch.Tensor) -> Coefficients:
        try:
            weight, bias = module.parameters()
        except ValueError:
            raise DokunukiError(f"the training engine needs weight and bias in {module}") from None
        view, gradients = self.parameters.view, self.parameters.gradients
        return Coefficients(
            view(flat, weight), view(flat, bias), view(gradients, weight), view(gradients, bias)
        )
