"""What one job cost. Apart from the table of timings, so that training needs no table code."""

from __future__ import annotations

import resource
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from dokunuki.errors import damaged_file
from dokunuki.storage.files import read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dokunuki.victims.compute import Compute


@dataclass(frozen=True)
class Cost:
    """Wall-clock seconds and peak resident memory (MiB) of one job, and what it ran on."""

    seconds_defence: float
    seconds_training: float
    seconds_scoring: float
    peak_memory_mib: float
    device: str
    threads: int


def write_cost(path: str | Path, cost: Cost) -> None:
    """Write the cost of one job as JSON."""
    write_json(path, asdict(cost))


def read_cost(path: str | Path) -> Cost:
    """Read what `write_cost` wrote; raises `DataFileError` for anything else."""
    try:
        return Cost(**read_json(path))
    except TypeError as error:
        raise damaged_file(path, f"not the cost of a job ({error})") from error


@dataclass
class Stopwatch:
    """Wall-clock seconds by phase."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the time within to a phase."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.add(name, time.monotonic() - start)

    def add(self, name: str, seconds: float) -> None:
        """Count seconds as a phase's, such as those of an earlier job whose result is used."""
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    def cost(self, compute: Compute, device: str) -> Cost:
        """The seconds so far with this process's peak resident memory."""
        return Cost(
            seconds_defence=self.seconds.get("defence", 0.0),
            seconds_training=self.seconds.get("training", 0.0),
            seconds_scoring=self.seconds.get("scoring", 0.0),
            peak_memory_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            device=device,
            threads=compute.threads,
        )
