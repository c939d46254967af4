"""Memory for whole matrices of rows: the machine's, or a scratch file's for those too large for it.

The kernel keeps as much of a scratch file in memory as there is room for, and reads the rest from
the disk when it is used. Values do not depend on where they lie.
"""

from __future__ import annotations

import math
import mmap
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dokunuki.errors import DokunukiError
from dokunuki.progress import logger

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

# The most of the memory that one matrix may take. The rest is for the library, the network and the
# blocks of rows that are worked on.
_SHARE = 0.5
# Sets another limit, in MB, e.g. where several large jobs share a machine.
LIMIT_VARIABLE = "DOKUNUKI_MATRIX_MB"


def row_memory(shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """An array to be filled, in C order, as `numpy.empty` gives it.

    It lies in a scratch file when it is larger than half of the memory that this process may use,
    or than DOKUNUKI_MATRIX_MB. The file is in the folder for temporary files (TMPDIR); it has no
    name, and vanishes with the array. Raises DokunukiError where the folder has no room for it, or
    DOKUNUKI_MATRIX_MB is no number above 0.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size <= largest_in_memory():
        return np.empty(shape, dtype)
    logger.info("a matrix of %.1f GB is held in a scratch file", size / 1e9)
    return np.ndarray(shape, dtype, buffer=_scratch(size))


def largest_in_memory() -> int:
    """The bytes up to which a matrix lies in memory."""
    given = os.environ.get(LIMIT_VARIABLE)
    if given is None:
        return int(_SHARE * _usable())
    try:
        megabytes = float(given)
    except ValueError:
        megabytes = 0.0
    if not 0 < megabytes < math.inf:
        raise DokunukiError(
            f"{LIMIT_VARIABLE}={given}: must be a number of megabytes above 0; correct or unset it"
        )
    return int(megabytes * 1e6)


def _scratch(size: int) -> mmap.mmap:
    with tempfile.TemporaryFile(prefix="dokunuki-") as file:
        try:
            # A file with holes would end the process at the first one that the disk cannot fill.
            # macOS has no such call.
            allocate = getattr(os, "posix_fallocate", None)
            if allocate is None:
                file.truncate(size)
            else:
                allocate(file.fileno(), 0, size)
        except OSError as error:
            raise DokunukiError(
                f"{tempfile.gettempdir()}: {error.strerror}: it needs {size / 1e9:.1f} GB for a "
                f"matrix that is too large for the memory; set TMPDIR to a folder on a disk with "
                f"more room, or {LIMIT_VARIABLE} to the megabytes that a matrix may take of memory"
            ) from error
        return mmap.mmap(file.fileno(), size)


@cache
def _usable() -> int:
    """Bytes of memory that this process may use: the machine's, or its control group's."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([physical, *_group_limits(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup"))])


def _group_limits(membership: Path, groups: Path) -> list[int]:
    """The limits, in bytes, of the control groups that a process is in, of version 1 or 2."""
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:  # no Linux
        return []
    limits = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root, name = (
            (groups / "memory", "memory.limit_in_bytes") if controllers else (groups, "memory.max")
        )
        group = root / path.lstrip("/")
        for folder in (group, *group.parents):
            if folder == root.parent:
                break
            text = _text(folder / name)
            if text.isdigit():
                limits.append(int(text))
    return limits


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""
