"""How fast networks train: the engine beside autograd in the same precision, and bare products.

The product rate is that of `torch.mm` on matrices of a layer's size, the best of the three products
that a layer needs and of exact and aligned widths: the share of it that a training reaches counts
everything, from picking rows to updating weights. Autograd is the plain loop that trains what the
engine has no layers for (`dokunuki.networks.plain`): torch's fused optimisers, in bfloat16 by its
autocast. Usage: python -m bench.training [--rounds N]
[--threads N ...] [--only NAME] [--clock cpu]
"""

from __future__ import annotations

import argparse
import math
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from bench.epochs import epoch_ends, plainly
from bench.harness import CLOCKS, emit, interleaved, machine, row
from dokunuki.networks.autoencoder import AutoencoderModel
from dokunuki.networks.devices import resolve_precision
from dokunuki.networks.embernn import EmberNN
from dokunuki.networks.layers import padded

if TYPE_CHECKING:
    from collections.abc import Callable

    Clock = Callable[[], float]

_EPOCHS = 3
_REPEATS = 8  # of each product, every time that the rate is taken


@dataclass(frozen=True)
class Case:
    """A network to train: widths from input to output, and its bounds by precision."""

    name: str
    estimator: type[EmberNN | AutoencoderModel]
    parameters: dict[str, Any]
    widths: tuple[int, ...]
    rows: int
    product_bounds: dict[str, float]
    autograd_bounds: dict[str, float] = field(default_factory=dict)

    @property
    def batch_rows(self) -> int:
        """Rows of a batch."""
        return int(self.parameters["batch_size"])

    def floating_operations(self) -> float:
        """Those of an epoch's products: forward, by weights, and by inputs after the first."""
        pairs = [a * b for a, b in zip(self.widths[:-1], self.widths[1:], strict=True)]
        return 2.0 * self.rows * (3 * sum(pairs) - pairs[0])


CASES = (
    Case(
        "EmberNN 3 x 2351, batch 512, Adam",
        EmberNN,
        {"batch_size": 512, "optimiser": "adam", "learning_rate": 3e-4},
        (2351, 2351, 2351, 2351, 1),
        8000,
        {"bfloat16": 0.4, "float32": 0.75},
        {"bfloat16": 1.2, "float32": 1.0},
    ),
    Case(
        "EmberNN 3 x 2351, batch 512, SGD",
        EmberNN,
        {"batch_size": 512, "optimiser": "sgd", "learning_rate": 0.1},
        (2351, 2351, 2351, 2351, 1),
        8000,
        {"bfloat16": 0.4, "float32": 0.75},
        {"bfloat16": 1.2, "float32": 1.0},
    ),
    Case(
        "autoencoder 1839-1024-512-1024-1839, batch 256, Adam",
        AutoencoderModel,
        {"hidden": 1024, "code": 512, "activation": "elu", "batch_size": 256},
        (1839, 1024, 512, 1024, 1839),
        8000,
        {"bfloat16": 0.45, "float32": 0.45},
    ),
    Case(
        "EmberNN 3 x 256 on 960 rows, batch 64, Adam",
        EmberNN,
        {"hidden": [256, 256, 256], "batch_size": 64, "learning_rate": 3e-4},
        (2351, 256, 256, 256, 1),
        960,
        {},
        {"bfloat16": 1.2, "float32": 1.2},
    ),
)


def product_rate(case: Case, dtype: torch.dtype, clock: Clock) -> float:
    """The best rate of a layer's products in floating-point operations a second."""
    rates = []
    for inputs, outputs in {*zip(case.widths[:-2], case.widths[1:-1], strict=True)}:
        for size in ((inputs, outputs), (padded(inputs), padded(outputs))):
            rates.append(_product_rate(case.batch_rows, *size, dtype, clock))
    return max(rates)


def _product_rate(rows: int, inputs: int, outputs: int, dtype: torch.dtype, clock: Clock) -> float:
    x, g = torch.randn(rows, inputs).to(dtype), torch.randn(rows, outputs).to(dtype)
    w = torch.randn(outputs, inputs).to(dtype)
    buffers = [torch.empty_like(g), torch.empty_like(x), torch.empty_like(w)]
    seconds = interleaved(
        {
            "forward": lambda: torch.mm(x, w.t(), out=buffers[0]),
            "by inputs": lambda: torch.mm(g, w, out=buffers[1]),
            "by weights": lambda: torch.mm(g.t(), x, out=buffers[2]),
        },
        _REPEATS,
        clock,
    )
    return 2.0 * rows * inputs * outputs / min(seconds.values())


def epoch_seconds(
    case: Case,
    rows: tuple[np.ndarray, np.ndarray],
    threads: int,
    precision: str,
    clock: Clock,
    *,
    autograd: bool,
) -> float:
    """The quicker of the second and third epoch: the first also allocates and chooses kernels."""
    model = case.estimator(
        **case.parameters, epochs=_EPOCHS, threads=threads, device="cpu", precision=precision
    )
    with plainly() if autograd else nullcontext(), epoch_ends(clock) as ends:
        model.fit(*rows)
    return min(after - before for before, after in pairwise(ends))


def measure(case: Case, threads: int, precisions: list[str], rounds: int, clock: Clock) -> None:
    """Time the case in every precision beside autograd and the products, and emit rows."""
    torch.set_num_threads(threads)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((case.rows, case.widths[0]), dtype=np.float32)
    rows = (X, (X[:, 0] + X[:, 1] > 0).astype(np.int8))
    trainings = [(precision, False) for precision in precisions]
    trainings += [
        (precision, True) for precision in precisions if precision in case.autograd_bounds
    ]
    seconds = dict.fromkeys(trainings, math.inf)
    rates = dict.fromkeys(precisions, 0.0)
    # In turn: a product rate from a quieter or busier moment than the training's says nothing.
    for _ in range(rounds):
        for precision in precisions:
            rate = product_rate(case, getattr(torch, precision), clock)
            rates[precision] = max(rates[precision], rate)
        for precision, autograd in trainings:
            epoch = epoch_seconds(case, rows, threads, precision, clock, autograd=autograd)
            seconds[precision, autograd] = min(seconds[precision, autograd], epoch)
    work = case.floating_operations()
    for precision in precisions:
        engine = seconds[precision, False]
        name = f"{case.name}, {precision}, {threads} thread{'s' if threads > 1 else ''}"
        if precision in case.product_bounds:
            measured = {
                "engine_epoch_s": engine,
                "engine_gflops": work / engine / 1e9,
                "product_gflops": rates[precision] / 1e9,
            }
            share = work / engine / rates[precision]
            bound = case.product_bounds[precision]
            emit(row(f"{name}: share of the product rate", measured, share, bound))
        if precision in case.autograd_bounds:
            autograd_seconds = seconds[precision, True]
            measured = {"autograd_epoch_s": autograd_seconds, "engine_epoch_s": engine}
            bound = case.autograd_bounds[precision]
            name = f"{name}: speed beside autograd in {precision}"
            emit(row(name, measured, autograd_seconds / engine, bound))


def main() -> None:
    """Measure all cases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, nargs="+", default=[2])
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: one thread only")
    arguments = parser.parse_args()
    fast = str(resolve_precision("auto", torch.device("cpu"))).removeprefix("torch.")
    emit(machine(["torch", "numpy"], benchmark="training", precision=fast, clock=arguments.clock))
    clock = CLOCKS[arguments.clock]
    for threads in arguments.threads:
        for case in CASES:
            if arguments.only in case.name:
                measure(case, threads, sorted({fast, "float32"}), arguments.rounds, clock)


if __name__ == "__main__":
    main()
