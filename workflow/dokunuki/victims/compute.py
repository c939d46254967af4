"""What a job runs on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Compute:
    """The device by name, the number of CPU threads, and the precision networks train in."""

    device: str
    threads: int
    precision: str = "auto"
