"""Training steps for dense networks without autograd: few passes over buffers allocated once.

Products, activations and gradients have the working type (bfloat16 where the processor is fast in
it, else float32); weights are updated in float32. The trained network is an ordinary torch module
in float32.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import nn

from dokunuki.errors import DokunukiError
from dokunuki.networks.layers import (
    ACTIVATIONS,
    ALIGNMENT,
    Activation,
    BatchNorm,
    Coefficients,
    Dense,
    Dropout,
    GaussianNoise,
    Layer,
    Noise,
    padded,
)
from dokunuki.networks.optimiser import Adam, Optimiser, Sgd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dokunuki.networks.losses import Loss
    from dokunuki.networks.settings import TrainingSettings

# What may stand before the first dense layer: nothing to learn, nothing changed in place.
_BEFORE_DENSE = (nn.Dropout, GaussianNoise, nn.Identity)
_LAYERS = (nn.Linear, nn.BatchNorm1d, *ACTIVATIONS, *_BEFORE_DENSE)


def supports(network: nn.Module) -> bool:
    """Whether the engine trains `network` as autograd would.

    Its modules are Linear, ReLU, ELU, Tanh, Sigmoid, BatchNorm1d, Dropout, GaussianNoise and
    Identity, not subclasses of them, in Sequential containers, which may be subclasses but apply
    what they hold in its order. Before the first Linear come Dropout, GaussianNoise and Identity
    only, and no two activations follow each other: they work in place, and the first would lose
    what it gave.
    Linear and BatchNorm1d have weight and bias, float32, none of them frozen or shared.
    """
    modules = list(_in_order(network))
    kinds = [type(module) for module in modules]
    parameters = [parameter for module in modules for parameter in module.parameters()]
    # What may do nothing stands between no two activations.
    activates = [kind in ACTIVATIONS for kind in kinds if kind not in (nn.Identity, nn.Dropout)]
    return (
        nn.Linear in kinds
        and all(kind in _BEFORE_DENSE for kind in kinds[: kinds.index(nn.Linear)])
        and all(map(_has_layer, modules))
        and not any(first and second for first, second in pairwise(activates))
        and all(held.requires_grad and held.dtype == torch.float32 for held in parameters)
        and len(set(parameters)) == len(parameters)
    )


def _in_order(network: nn.Module) -> Iterator[nn.Module]:
    """The modules that rows go through, one after the other."""
    if isinstance(network, nn.Sequential) and type(network).forward is nn.Sequential.forward:
        for module in network:
            yield from _in_order(module)
    else:
        yield network


def _has_layer(module: nn.Module) -> bool:
    match module:
        case nn.Linear():
            fits = module.bias is not None
        case nn.BatchNorm1d():
            fits = module.affine and module.track_running_stats and module.momentum is not None
        case nn.ELU():
            fits = module.alpha == 1
        case nn.Dropout():
            fits = module.p < 1
        case _:
            fits = True
    return fits and type(module) in _LAYERS


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

    Raises DokunukiError for a network that it does not support (`supports`). `generator`, on the
    network's device, draws dropout and noise. An optimiser works on the buffers of `parameters`;
    the network itself changes at `store` only.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: Loss,
        dtype: torch.dtype,
        rows: int,
        generator: torch.Generator,
    ) -> None:
        if not supports(network):
            raise DokunukiError(
                f"the training engine cannot train {network}: one of its layers is unknown"
            )
        self.parameters = Parameters(network, dtype)
        self._loss = loss
        self._steps = 0
        self._norms: list[tuple[nn.BatchNorm1d, BatchNorm]] = []
        self._layers: list[Layer] = []
        modules = list(_in_order(network))
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
        match module:
            case nn.Linear():
                held = self._coefficients(module, self.parameters.working)
                self._layers.append(Dense(held, rows))
                self._width = module.out_features
            case nn.BatchNorm1d():
                held = self._coefficients(module, self.parameters.masters)
                mean, variance = torch.zeros_like(held.weight), torch.ones_like(held.weight)
                for target, buffer in zip((mean, variance), module.buffers(), strict=False):
                    target[: len(buffer)] = buffer
                norm = BatchNorm(held, mean, variance, module.momentum or 0.0, module.eps)
                self._norms.append((module, norm))
                self._layers.append(norm)
            case nn.Dropout():
                if module.p:
                    width = padded(self._width)
                    self._layers.append(Dropout(module.p, rows, width, dtype, generator))
            case GaussianNoise():
                noise = Noise(module.deviation, rows, self._width, dtype, generator)
                self._layers.append(noise)
            case nn.ReLU() | nn.ELU() | nn.Tanh() | nn.Sigmoid():
                self._layers.append(Activation(*ACTIVATIONS[type(module)], self._width))

    def _coefficients(self, module: nn.Module, flat: torch.Tensor) -> Coefficients:
        weight, bias = module.parameters()
        view, gradients = self.parameters.view, self.parameters.gradients
        return Coefficients(
            view(flat, weight), view(flat, bias), view(gradients, weight), view(gradients, bias)
        )


class EngineSteps:
    """Trains `network` by the engine, in batches of at most `rows` rows of type `dtype`.

    `seed` decides dropout and noise. The network has no weights until `store`.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: Loss,
        settings: TrainingSettings,
        dtype: torch.dtype,
        rows: int,
        seed: int,
    ) -> None:
        generator = torch.Generator(next(network.parameters()).device).manual_seed(seed)
        self._engine = Engine(network, loss, dtype, rows, generator)
        held = self._engine.parameters
        buffers = (held.masters, held.gradients, held.working)
        decay = settings.weight_decay
        self._optimiser: Optimiser = (
            Sgd(*buffers, momentum=settings.momentum, weight_decay=decay)
            if settings.optimiser == "sgd"
            else Adam(*buffers, weight_decay=decay)
        )

    def step(
        self, inputs: torch.Tensor, targets: torch.Tensor, learning_rate: float
    ) -> torch.Tensor:
        """Train on a batch as `Engine.gradient_step` takes it; its mean loss."""
        loss = self._engine.gradient_step(inputs, targets)
        self._optimiser.step(learning_rate)
        return loss

    def store(self, *, last: bool) -> None:
        """Write weights and running statistics back into the network."""
        if last:
            del self._optimiser  # its memory makes room for the network's
        self._engine.store()
