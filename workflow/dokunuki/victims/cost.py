"""What one job cost. Apart from the table of timings, so that training needs no table code."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from dokunuki.errors import damaged_file
from dokunuki.storage.files import read_json, write_json

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Timing:
    """Wall-clock seconds and peak resident memory (MiB) of one cell, and what it ran on."""

    seconds_defence: float
    seconds_training: float
    seconds_scoring: float
    peak_memory_mib: float
    device: str
    threads: int


def write_timing(path: str | Path, timing: Timing) -> None:
    """Write the timing of one cell as JSON."""
    write_json(path, asdict(timing))


def read_timing(path: str | Path) -> Timing:
    """Read what `write_timing` wrote; raises `DataFileError` for anything else."""
    try:
        return Timing(**read_json(path))
    except TypeError as error:
        raise damaged_file(path, f"not the timing of a cell ({error})") from error
