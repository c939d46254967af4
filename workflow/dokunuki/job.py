"""What surrounds every job: its log, and errors of the user's making without a traceback."""

from __future__ import annotations

import errno
import gc
import logging
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dokunuki.errors import DokunukiError
from dokunuki.progress import logger

if TYPE_CHECKING:
    from collections.abc import Iterator


# What is the matter with a file rather than with the code.
_OF_THE_USER = (
    *(errno.ENOENT, errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.ELOOP),
    *(errno.ENAMETOOLONG, errno.EROFS, errno.EIO, errno.ESTALE),
)


@contextmanager
def logged(log_path: str) -> Iterator[None]:
    """Send progress to the job's log; end the process with a clear message on a user's error."""
    handler = logging.FileHandler(log_path, mode="w", encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    except DokunukiError as error:
        logger.error("error: %s", error)
        sys.exit(f"error: {error}")
    except OSError as error:
        if error.filename is None or error.errno not in _OF_THE_USER:
            logger.exception("unexpected error")
            raise
        # A reader that did not foresee it; the log has the traceback.
        message = (
            f"{error.filename}: {error.strerror}; check this path and its permissions, and run the "
            "same command again"
        )
        logger.exception("error: %s", message)
        sys.exit(f"error: {message}")
    except Exception:
        logger.exception("unexpected error")
        raise
    finally:
        logger.removeHandler(handler)
        handler.close()
        # The process ends here: to look through all that torch's import made for garbage first
        # would take it a third of a second.
        gc.freeze()
