"""How a release is read, whatever its layout: the protocol and what goes through it."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple, Protocol

from dokunuki.corpus.validation import DIGEST_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import numpy as np

    from dokunuki.corpus.layout import FeatureLayout
    from dokunuki.corpus.validation import Row
    from dokunuki.errors import CorpusError

    Vectorise = Callable[[Sequence[Row], int], np.ndarray]

# The digest of rows whose sha256 is not known: memory maps without metadata.
UNKNOWN_DIGEST = bytes(DIGEST_BYTES)

# Rows vectorised at a time: enough to spread the cost of a call, few enough to need little memory.
BATCH_ROWS = 128


class IndexEntry(NamedTuple):
    """What the index keeps of a row.

    `digest` is the sha256 in 32 bytes, or `UNKNOWN_DIGEST`. `label` is -1, 0 or 1. `file` is the
    file's name without folders, `line` counts from 1. `offset` and `length` are bytes. `checksum`
    is the CRC-32 of these bytes. `appeared` is when the file was first seen, as 2017-11 or
    2023-09-26, and `avclass` its family. `week` is the first day of the week that the file was
    collected in. Each of these is empty where the release does not tell it.
    """

    digest: bytes
    label: int
    appeared: str
    avclass: str
    file: str
    line: int
    offset: int
    length: int
    checksum: int
    week: str = ""


class LeftOut(NamedTuple):
    """Rows that a dataset does not ask for: why, in a word or two, and how many."""

    reason: str
    rows: int


class BadRow(NamedTuple):
    """A row that cannot be used, and why; the error's message begins with file and line."""

    file: str
    line: int
    error: CorpusError


class Location(NamedTuple):
    """Where a row stands in a release, and the digest and checksum it must have."""

    file: str
    line: int
    offset: int
    length: int
    digest: bytes
    checksum: int


class Release(Protocol):
    """An EMBER release of one feature version, or own rows, opened for reading.

    `version` is 0 where the layout of the vectors, `features`, is of the user's own.
    """

    path: Path
    version: int
    features: FeatureLayout
    layout: str
    total_bytes: int
    bytes_done: int
    """How far a scan is, in the bytes that `total_bytes` counts."""

    def scan(self) -> Iterator[IndexEntry | BadRow | LeftOut]:
        """Go through all rows, checking each; raises CorpusError for faults of a whole file."""
        ...

    def vectors(
        self, locations: Sequence[Location], vectorise: Vectorise
    ) -> Iterator[tuple[list[int], np.ndarray]]:
        """Feature vectors of some rows, in batches, in the release's own order.

        Each batch is a list of positions in `locations` and their vectors, float32 (batch, width).
        """
        ...


def file_order(name: str) -> tuple[bool, tuple[int, ...], str]:
    """A sort key for a release's files: training files by number or week, then the test files.

    All layouts of a release, sorted so, have their rows in the same order. Folders decide only
    between files of the same name.
    """
    file = PurePosixPath(name).name
    return ("test" in file, tuple(map(int, re.findall(r"\d+", file))), f"{file} {name}")
