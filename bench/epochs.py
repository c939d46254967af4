"""How a benchmark trains a network by the plain loop, and sees when the epochs of any end."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from unittest.mock import patch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def plainly() -> Iterator[None]:
    """Within the block, networks are trained by autograd, also those that the engine supports.

    The same seed gives the same initial weights and order of rows, and other dropout masks.
    """
    with patch("dokunuki.networks.engine.supports", return_value=False):
        yield


@contextmanager
def epoch_ends(clock: Callable[[], float]) -> Iterator[list[float]]:
    """Within the block, the clock at the end of every epoch, of the engine or the plain loop."""
    ends: list[float] = []

    class Recorder:
        def __init__(self, label: str, total: int) -> None:
            """Stand in for the progress that a training reports to, epoch by epoch."""

        def update(self, epoch: int, **figures: float) -> None:
            ends.append(clock())

    with patch("dokunuki.networks.training.Progress", Recorder):
        yield ends
