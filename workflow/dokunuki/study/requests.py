"""What a job asks a scheduler for: memory and minutes, by lines over rows that were measured."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dokunuki.errors import ConfigError
from dokunuki.study.catalogue import read_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Other processors, and data that were not measured.
_MEMORY_HEADROOM = 1.3
_TIME_HEADROOM = 3
# Starting a job on a cluster, and importing from a slow disk, are not worth a failed one.
_LEAST_MINUTES = 5
# A process that reads rows beside the job's own: Python, numpy and the readers, 54 MB as measured.
_WORKER_MB = 60


@dataclass(frozen=True)
class Line:
    """`base` + `per_1000_rows` for every 1,000 rows."""

    base: float
    per_1000_rows: float

    def at(self, rows: float) -> float:
        """The value for a number of rows."""
        return self.base + self.per_1000_rows * rows / 1000


@dataclass(frozen=True)
class Request:
    """What one rule's jobs took: peak MB, and processor minutes of a single thread."""

    mem_mb: Line
    minutes: Line

    def memory(self, rows: float, attempt: int, workers: int = 0) -> int:
        """Whole MB to ask for, with headroom; a second attempt asks for twice as much.

        `workers` are the processes that the job starts to read rows.
        """
        megabytes = self.mem_mb.at(rows) + workers * _WORKER_MB
        return attempt * math.ceil(_MEMORY_HEADROOM * megabytes)

    def runtime(self, rows: float, attempt: int, times: float = 1) -> int:
        """Whole minutes to ask for when the work is done `times` times (epochs, say)."""
        return attempt * math.ceil(_LEAST_MINUTES + _TIME_HEADROOM * times * self.minutes.at(rows))


def read_requests(path: str | Path) -> Mapping[str, Request]:
    """Requests by rule from `workflow/resources.yaml`; ConfigError names the rule at fault."""
    content = read_yaml(path)
    requests = {}
    for rule, lines in content.items():
        try:
            requests[rule] = Request(Line(**lines["mem_mb"]), Line(**lines["minutes"]))
        except (KeyError, TypeError) as error:
            raise ConfigError(
                f"{path}: {rule}: mem_mb and minutes each need base and per_1000_rows ({error}); "
                "write the file again with `make scaling`"
            ) from error
    return requests
