"""When the epochs of a training end."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from unittest.mock import patch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def epoch_ends(clock: Callable[[], float]) -> Iterator[list[float]]:
    """Within the block, the clock at the end of every epoch, of the engine or the plain loop."""
    ends: list[float] = []

    class Recorder:
        def __init__(self, label: str, total: int) -> None:
            """Stand in for the progress that both loops report to, epoch by epoch."""

        def update(self, epoch: int, **figures: float) -> None:
            ends.append(clock())

    with (
        patch("dokunuki.networks.training.Progress", Recorder),
        patch("bench.plain.Progress", Recorder),
    ):
        yield ends
