"""Layers with a hand-written backward pass over buffers that are allocated once.

Buffers have one row per row of the batch and `padded` columns; what is beyond a layer's own width
stays zero, exactly, from the first step to the last: zero inputs and zero weights have zero
products and zero gradients. `forward` returns a view of a buffer that the next call overwrites, and
`backward`, called after it, turns the loss's gradient by the layer's output into that by its input
and may overwrite the former.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn

_Function = Callable[[torch.Tensor], torch.Tensor]
_Derivative = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

# Rows of a multiple of this many values start where vector registers load best: a product of 2351
# columns takes a quarter longer in float32 than one of 2368.
ALIGNMENT = 64
# Dropout probabilities are rounded to multiples of 2 ** -16.
_DROPOUT_BITS = 16
_BITS_PER_WORD = 16


class Layer(Protocol):
    """One step of a network."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """The output for a batch, in training mode."""

    def backward(self, gradient: torch.Tensor) -> torch.Tensor:
        """The gradient by the last inputs."""


@dataclass(frozen=True)
class Coefficients:
    """A layer's weight and bias, and where their gradients go."""

    weight: torch.Tensor
    bias: torch.Tensor
    weight_gradient: torch.Tensor
    bias_gradient: torch.Tensor


def padded(width: int) -> int:
    """The columns of a buffer of that width; a single one stays alone, being cheaper so."""
    return width if width == 1 else -(-width // ALIGNMENT) * ALIGNMENT


class Dense:
    """x W' + b for a weight (outputs, inputs) and batches of at most `rows` rows."""

    def __init__(self, coefficients: Coefficients, rows: int) -> None:
        self._coefficients = coefficients
        weight = coefficients.weight
        outputs, inputs = weight.shape
        self._outputs = weight.new_empty(rows, outputs)
        self._input_gradient = weight.new_empty(rows, inputs)
        # In bfloat16 the CPU's product of a transposed matrix costs more than transposing it.
        slow_transposed = weight.dtype == torch.bfloat16 and weight.device.type == "cpu"
        self._transposed = weight.new_empty(outputs * rows) if slow_transposed else None
        self._ones = weight.new_ones(1, rows)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """The output for a batch."""
        self._inputs = inputs
        weight, bias = self._coefficients.weight, self._coefficients.bias
        return torch.addmm(bias, inputs, weight.t(), out=self._outputs[: len(inputs)])

    def backward(self, gradient: torch.Tensor) -> torch.Tensor:
        """The gradient by the last inputs, after those by weight and bias."""
        self.backward_coefficients(gradient)
        buffer = self._input_gradient[: len(gradient)]
        return torch.mm(gradient, self._coefficients.weight, out=buffer)

    def backward_coefficients(self, gradient: torch.Tensor) -> None:
        """Write the gradients by weight and bias: all that a network's first layer has to do."""
        rows, outputs = gradient.shape
        by_output = gradient.t()
        if self._transposed is not None:
            by_output = self._transposed[: rows * outputs].view(outputs, rows).copy_(by_output)
        torch.mm(by_output, self._inputs, out=self._coefficients.weight_gradient)
        torch.mm(self._ones[:, :rows], gradient, out=self._coefficients.bias_gradient[None])


class Activation:
    """A function of each value, in place; `derive` takes a gradient and the function's values.

    The first `width` columns count, the others are padding.
    """

    def __init__(self, function: _Function, derive: _Derivative, width: int) -> None:
        self._function = function
        self._derive = derive
        self._width = width
        self._changes_padding = bool(function(torch.zeros(1)))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """The output for a batch."""
        self._outputs = self._function(inputs)
        if self._changes_padding:
            self._outputs[:, self._width :] = 0
        return self._outputs

    def backward(self, gradient: torch.Tensor) -> torch.Tensor:
        """The gradient by the last inputs."""
        return self._derive(gradient, self._outputs)


# The function and the derivative of each.
ACTIVATIONS: dict[type[nn.Module], tuple[_Function, _Derivative]] = {
    nn.ReLU: (
        torch.relu_,
        lambda gradient, outputs: torch.ops.aten.threshold_backward.grad_input(
            gradient, outputs, 0, grad_input=gradient
        ),
    ),
    nn.ELU: (
        nn.functional.elu_,
        lambda gradient, outputs: torch.ops.aten.elu_backward.grad_input(
            gradient, 1.0, 1.0, 1.0, True, outputs, grad_input=gradient
        ),
    ),
    nn.Tanh: (
        torch.tanh_,
        lambda gradient, outputs: torch.ops.aten.tanh_backward.grad_input(
            gradient, outputs, grad_input=gradient
        ),
    ),
    nn.Sigmoid: (
        torch.sigmoid_,
        lambda gradient, outputs: torch.ops.aten.sigmoid_backward.grad_input(
            gradient, outputs, grad_input=gradient
        ),
    ),
}


class BatchNorm:
    """Each column with the batch's mean 0 and variance 1, times `weight`, plus `bias` (float32).

    `mean` and `variance` (float32) are the running statistics, updated with `momentum`. The
    arithmetic inside is float32 whatever the rows are.
    """

    def __init__(
        self,
        coefficients: Coefficients,
        mean: torch.Tensor,
        variance: torch.Tensor,
        momentum: float,
        epsilon: float,
    ) -> None:
        self._coefficients = coefficients
        self.mean, self.variance = mean, variance
        self._momentum, self._epsilon = momentum, epsilon

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """The output for a batch; updates the running statistics."""
        self._inputs = inputs
        outputs, self._batch_mean, self._batch_scale = torch.native_batch_norm(
            inputs,
            self._coefficients.weight,
            self._coefficients.bias,
            self.mean,
            self.variance,
            True,
            self._momentum,
            self._epsilon,
        )
        return outputs

    def backward(self, gradient: torch.Tensor) -> torch.Tensor:
        """The gradient by the last inputs, after those by weight and bias."""
        by_inputs: torch.Tensor
        by_inputs, by_weight, by_bias = torch.ops.aten.native_batch_norm_backward(
            gradient,
            self._inputs,
            self._coefficients.weight,
            self.mean,
            self.variance,
            self._batch_mean,
            self._batch_scale,
            True,
            self._epsilon,
            (True, True, True),
        )
        self._coefficients.weight_gradient.copy_(by_weight)
        self._coefficients.bias_gradient.copy_(by_bias)
        return by_inputs


class Dropout:
    """Each value is 0 with a probability, else divided by the probability of being kept.

    The probability is rounded to a multiple of 2 ** -16, `probability`, and the scale follows it.
    `generator`, on the rows' device, draws as many bits a value as that number needs (one for
    0.5): a bit is set with probability 0.b1b2b3... when, from the last digit to the first, random
    bits are joined by `or` for a 1 and by `and` for a 0.
    """

    def __init__(
        self,
        probability: float,
        rows: int,
        width: int,
        dtype: torch.dtype,
        generator: torch.Generator,
    ) -> None:
        most = 2**_DROPOUT_BITS - 1
        kept = min(max(round((1 - probability) * 2**_DROPOUT_BITS), 1), most)
        self.probability = 1 - kept / 2**_DROPOUT_BITS
        self._scale = 2**_DROPOUT_BITS / kept
        # The binary digits of the probability to keep, the last one that is set first.
        self._digits = f"{kept:0{_DROPOUT_BITS}b}".rstrip("0")[::-1]
        self._generator = generator
        self._outputs = torch.empty(rows, width, dtype=dtype, device=generator.device)
        # A mask's value is as wide as the row's, all ones to keep and all zeros to drop.
        self._bits = torch.int16 if dtype.itemsize == 2 else torch.int32
        longs = -(-rows * width // 64)
        device = generator.device
        self._random = torch.empty(len(self._digits), longs, dtype=torch.int64, device=device)
        words = self._random.view(torch.int16)
        self._draws = list(words)
        self._word = torch.empty_like(words[0])
        self._shifts = torch.arange(_BITS_PER_WORD, dtype=torch.int16, device=device)[:, None]
        self._spread = torch.empty(_BITS_PER_WORD, longs * 4, dtype=torch.int16, device=device)
        self._masks = torch.empty_like(self._spread, dtype=self._bits)
        self._mask = self._masks.view(-1)[: rows * width].view(rows, width)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """The output for a batch."""
        self._draw()
        outputs = self._outputs[: len(inputs)]
        return self._masked(torch.mul(inputs, self._scale, out=outputs))

    def backward(self, gradient: torch.Tensor) -> torch.Tensor:
        """The gradient by the last inputs."""
        return self._masked(gradient.mul_(self._scale))

    def _draw(self) -> None:
        # All 64 bits: without bounds the sign would never be set.
        self._random.random_(-(2**63), None, generator=self._generator)
        word = self._draws[0]
        for digit, draw in zip(self._digits[1:], self._draws[1:], strict=True):
            join = torch.bitwise_or if digit == "1" else torch.bitwise_and
            word = join(word, draw, out=self._word)
        # Every bit of a word becomes the sign, which the shift to the right repeats.
        torch.bitwise_left_shift(word, self._shifts, out=self._spread)
        torch.bitwise_right_shift(self._spread, _BITS_PER_WORD - 1, out=self._masks)

    def _masked(self, values: torch.Tensor) -> torch.Tensor:
        values.view(self._bits).bitwise_and_(self._mask[: len(values)])
        return values


class GaussianNoise(nn.Module):
    """Adds independent normal noise of standard deviation `deviation` to each value, in training.

    The module that the layer `Noise` stands for in a network; torch has none.
    """

    def __init__(self, deviation: float) -> None:
        super().__init__()
        self.deviation = deviation

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """The rows, in training with noise."""
        return rows + self.deviation * torch.randn_like(rows) if self.training else rows


class Noise:
    """Normal noise on the first `width` columns of batches of at most `rows` rows.

    `generator`, on the rows' device, draws it in float32 for `rows` rows whatever the batch's size
    and type, so that the same numbers come in every precision.
    """

    def __init__(
        self,
        deviation: float,
        rows: int,
        width: int,
        dtype: torch.dtype,
        generator: torch.Generator,
    ) -> None:
        self._deviation = deviation
        self._width = width
        self._generator = generator
        self._noise = torch.empty(rows, width, device=generator.device)
        self._outputs = torch.zeros(rows, padded(width), dtype=dtype, device=generator.device)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """The output for a batch."""
        self._noise.normal_(0.0, self._deviation, generator=self._generator)
        # Not in place: the inputs may be the target as well.
        outputs = self._outputs[: len(inputs)]
        noise = self._noise[: len(inputs)]
        torch.add(inputs[:, : self._width], noise, out=outputs[:, : self._width])
        return outputs

    def backward(self, gradient: torch.Tensor) -> torch.Tensor:
        """The gradient by the last inputs."""
        return gradient
