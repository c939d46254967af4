"""What surrounds every job: its log, and errors of the user's making without a traceback."""

from __future__ import annotations

import gc
import logging
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dokunuki.errors import DokunukiError
from dokunuki.progress import logger

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def logged(log_path: str) -> Iterator[None]:
    """Send progress to the job's log; end the process with a clear message on a user's error."""
    handler = logging.FileHandler(log_path, mode="w", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    except DokunukiError as error:
        logger.error("error: %s", error)
        sys.exit(f"error: {error}")
    except Exception:
        logger.exception("unexpected error")
        raise
    finally:
        logger.removeHandler(handler)
        handler.close()
        # The process ends here: to look through all that torch's import made for garbage first
        # would take it a third of a second.
        gc.freeze()
