"""Progress that reads well in a terminal and in a log file: one whole line per step."""

from __future__ import annotations

import logging
import time

logger = logging.getLogger("dokunuki")

_BAR_WIDTH = 20


class Progress:
    """Logs a bar, a count and the latest figures, at most once per `interval` seconds.

    No carriage returns, so that a log file holds what a terminal showed. The last step is
    always logged.
    """

    def __init__(self, label: str, total: int, interval: float = 1.0) -> None:
        # Names of files need be no text, and a log is.
        self.label = label.encode("utf-8", "backslashreplace").decode()
        self.total = total
        self.interval = interval
        self._start = time.monotonic()
        self._last = -float("inf")

    def update(self, done: int, **figures: float | str) -> None:
        """Say that `done` of `total` steps are finished, with named figures beside the bar."""
        now = time.monotonic()
        if done < self.total and now - self._last < self.interval:
            return
        self._last = now
        filled = _BAR_WIDTH * done // max(1, self.total)
        bar = "#" * filled + "-" * (_BAR_WIDTH - filled)
        shown = "  ".join(
            f"{name.replace('_', ' ')} {value if isinstance(value, str) else format(value, '.4g')}"
            for name, value in figures.items()
        )
        width = len(str(self.total))
        logger.info(
            "%s [%s] %*d/%d  %s  %.1f s",
            self.label,
            bar,
            width,
            done,
            self.total,
            shown,
            now - self._start,
        )
