"""What one job cost. Apart from the table of timings, so that training needs no table code."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from dokunuki.errors import DataFileError
from dokunuki.files import read_json, write_json

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
    except FileNotFoundError as error:
        raise DataFileError(f"{path}: no such file; build it with `snakemake {path}`") from error
    except (json.JSONDecodeError, UnicodeDecodeError, TypeError) as error:
        raise DataFileError(
            f"{path}: not the timing of a cell ({error}); delete it and build it again"
        ) from error
