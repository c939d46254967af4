"""What a table of numbers is, whatever its file, and what its readers share."""

from __future__ import annotations

import csv
import lzma
import tokenize
import zipfile
import zlib
from abc import ABC, abstractmethod
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dokunuki.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

BLOCK_BYTES = 8 << 20
"""About how large a block's matrix is."""

# What readers raise for a file that is not what its name says, or is cut off; pyarrow's own errors
# are among them.
_READ_ERRORS = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    NotImplementedError,
    zipfile.BadZipFile,
    lzma.LZMAError,
    zlib.error,
    csv.Error,
    # numpy reads the header of a .npy file with the tokens of Python.
    tokenize.TokenError,
    SyntaxError,
    # Of content that lies about its types, its lengths and its places.
    IndexError,
    MemoryError,
    OverflowError,
    RuntimeError,
    TypeError,
)


@dataclass(frozen=True)
class Block:
    """Rows of a table that stand together.

    `start` is the number of the first, from 0. `X` float32 (n, c) are the columns asked for: NaN
    where a cell is empty, infinity where its number is beyond float32. `sides` has a list of n
    values by name, as Python objects.
    """

    start: int
    X: np.ndarray
    sides: dict[str, list[Any]]


class Table(ABC):
    """One file, opened for reading.

    `names` are those of the matrix' columns, or None where the file has none. `width` is their
    number. `sides` are the names of what else can be asked for. `rows` is None where only reading
    it through tells.
    """

    path: Path
    names: tuple[str, ...] | None
    sides: tuple[str, ...]
    width: int
    rows: int | None

    @abstractmethod
    def blocks(
        self, columns: Sequence[int], sides: Sequence[str], wanted: np.ndarray | None = None
    ) -> Iterator[Block]:
        """Blocks in the file's order, with these columns (indices) in this order, and these sides.

        `wanted` are sorted row numbers: blocks that hold none of them may be left out. Raises
        CorpusError, naming file and column, for a column that holds no numbers and for a file that
        cannot be read on.
        """


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what readers raise for an unreadable file into a CorpusError that names it."""
    try:
        yield
    except CorpusError:
        raise
    except _READ_ERRORS as error:
        raise CorpusError(
            f"{path}: cannot be read ({_first_line(error)}); write or copy it again"
        ) from error


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).strip().splitlines()[0]


def block_rows(width: int) -> int:
    """How many rows of so many columns make a block."""
    return max(1, BLOCK_BYTES // (4 * max(1, width)))


def as_float32(values: np.ndarray) -> np.ndarray:
    """The values as float32; what is beyond it becomes infinity, which the caller finds."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def holds(wanted: np.ndarray | None, start: int, length: int) -> bool:
    """Whether rows from `start` on are among the wanted ones."""
    if wanted is None:
        return True
    place = int(np.searchsorted(wanted, start))
    return place < len(wanted) and bool(wanted[place] < start + length)
