"""The index of a release: where each usable row stands, and what is known of it.

One scan makes it, in bounded memory: about 100 bytes a row, so that the 1.1 million rows of the
full release need little more than 100 MB.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dokunuki.corpus.protocol import UNKNOWN_DIGEST, BadRow, IndexEntry, Location, file_order
from dokunuki.corpus.validation import DIGEST_BYTES, FeatureVersionError
from dokunuki.errors import CorpusError
from dokunuki.progress import Progress
from dokunuki.storage.arrays import open_arrays, read_array, write_arrays

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from dokunuki.corpus.protocol import Release

LISTED = 100
"""How many duplicates and how many bad rows the report lists; all are counted."""

_LABEL_NAMES = {0: "goodware", 1: "malware", -1: "unlabelled"}
_PROGRESS_ROWS = 1000
_MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Index:
    """The usable rows of a release, in the release's order; a row's position is its number here.

    `digest` uint8 (n, 32) is all zero where the sha256 is not known. `label` is int8 (n,) and
    `appeared` Unicode (n,). `avclass` int32 (n,) are positions in `families`, `file` int16 (n,)
    positions in `files`. `line` int64 (n,) counts from 1. `offset` and `length` int64 (n,) are
    bytes within the file, and `checksum` uint32 (n,) is the CRC-32 of these bytes.
    """

    version: int
    files: tuple[str, ...]
    families: tuple[str, ...]
    digest: np.ndarray
    label: np.ndarray
    appeared: np.ndarray
    avclass: np.ndarray
    file: np.ndarray
    line: np.ndarray
    offset: np.ndarray
    length: np.ndarray
    checksum: np.ndarray

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.label)

    def sha256(self, positions: Iterable[int]) -> list[str]:
        """The sha256 of some rows in hexadecimal digits; empty where the release tells none."""
        digests = (self.digest[position].tobytes() for position in positions)
        return ["" if digest == UNKNOWN_DIGEST else digest.hex() for digest in digests]

    def locations(self, positions: Iterable[int]) -> list[Location]:
        """Where some rows stand."""
        return [
            Location(
                self.files[self.file[position]],
                int(self.line[position]),
                int(self.offset[position]),
                int(self.length[position]),
                self.digest[position].tobytes(),
                int(self.checksum[position]),
            )
            for position in positions
        ]


def build_index(release: Release, bad_rows: str = "fail") -> tuple[Index, dict[str, Any]]:
    """Scan a release: the index of its usable rows, and a report of what was found.

    The first of several rows with the same sha256, in the release's order, is kept. `bad_rows` says
    what a malformed row does: "fail" raises CorpusError with its file and line, "skip" leaves it
    out. The report is ready for JSON. It counts rows per label and per file, duplicates and bad
    rows, and lists the first `LISTED` of the last two. Raises CorpusError when no row is left.
    """
    columns = _Columns()
    bad: list[BadRow] = []
    bad_count = 0
    progress = Progress(f"index {release.path.name} (MB)", _megabytes(release.total_bytes))
    for seen, row in enumerate(release.scan()):
        if isinstance(row, BadRow):
            if bad_rows != "skip":
                raise _failure(row.error)
            bad_count += 1
            if len(bad) < LISTED:
                bad.append(row)
        else:
            columns.add(row)
        if seen % _PROGRESS_ROWS == 0:
            progress.update(_megabytes(release.bytes_done), rows=str(seen + 1))
    scanned = columns.index(release.version)
    progress.update(progress.total, rows=str(len(scanned) + bad_count))
    if not len(scanned):
        raise CorpusError(
            f"{release.path}: none of its {bad_count} rows is usable; the first: "
            f"{bad[0].error if bad else 'there is none'}"
        )
    first = _first_occurrences(scanned.digest)
    kept = first == np.arange(len(scanned))
    index = _take(scanned, np.flatnonzero(kept))
    report = {
        "release": str(release.path),
        "layout": release.layout,
        "version": release.version,
        "rows": {
            "usable": len(index),
            **{name: int((index.label == label).sum()) for label, name in _LABEL_NAMES.items()},
        },
        "files": {
            name: int((index.file == number).sum()) for number, name in enumerate(index.files)
        },
        "duplicates": {
            "count": int((~kept).sum()),
            "listed": [
                {
                    "sha256": scanned.sha256([position])[0],
                    "kept": _where(scanned, first[position]),
                    "left_out": _where(scanned, position),
                }
                for position in np.flatnonzero(~kept)[:LISTED].tolist()
            ],
        },
        "bad_rows": {
            "policy": bad_rows,
            "count": bad_count,
            "listed": [
                {"file": row.file, "line": row.line, "reason": str(row.error)} for row in bad
            ],
        },
    }
    return index, report


def write_index(path: str | Path, index: Index) -> None:
    """Write an index as HDF5, atomically."""
    arrays = {name: getattr(index, name) for name in _ARRAYS}
    arrays["files"] = np.array(index.files, dtype=str)
    arrays["families"] = np.array(index.families, dtype=str)
    write_arrays(path, arrays, {"version": index.version})


def read_index(path: str | Path) -> Index:
    """Read what `write_index` wrote; raises DataFileError when it is missing or damaged."""
    with open_arrays(path) as file:
        arrays = {name: read_array(file, name) for name in _ARRAYS}
        return Index(
            version=int(file.attrs["version"]),
            files=tuple(read_array(file, "files").tolist()),
            families=tuple(read_array(file, "families").tolist()),
            **arrays,
        )


_ARRAYS = ("digest", "label", "appeared", "avclass", "file", "line", "offset", "length", "checksum")


class _Columns:
    """Grows one compact column per field of an entry: no Python object is kept per row."""

    def __init__(self) -> None:
        self.digest = bytearray()
        self.label = array("b")
        self.appeared = array("i")
        self.avclass = array("i")
        self.file = array("h")
        self.line = array("q")
        self.offset = array("q")
        self.length = array("q")
        self.checksum = array("I")
        self.dates: dict[str, int] = {}
        self.families: dict[str, int] = {}
        self.files: dict[str, int] = {}

    def add(self, row: IndexEntry) -> None:
        self.digest += row.digest
        self.label.append(row.label)
        self.appeared.append(self.dates.setdefault(row.appeared, len(self.dates)))
        self.avclass.append(self.families.setdefault(row.avclass, len(self.families)))
        self.file.append(self.files.setdefault(row.file, len(self.files)))
        self.line.append(row.line)
        self.offset.append(row.offset)
        self.length.append(row.length)
        self.checksum.append(row.checksum)

    def index(self, version: int) -> Index:
        """All rows added, in the release's order: an archive may hold its files in any order."""
        files = sorted(self.files, key=file_order)
        rank = np.array([files.index(name) for name in self.files], dtype=np.int16)
        index = Index(
            version=version,
            files=tuple(files),
            families=tuple(self.families),
            digest=np.frombuffer(self.digest, dtype=np.uint8).reshape(-1, DIGEST_BYTES),
            label=np.asarray(self.label, dtype=np.int8),
            appeared=np.array(list(self.dates), dtype=str)[np.asarray(self.appeared)]
            if self.dates
            else np.array([], dtype=str),
            avclass=np.asarray(self.avclass, dtype=np.int32),
            file=rank[np.asarray(self.file, dtype=np.int16)],
            line=np.asarray(self.line, dtype=np.int64),
            offset=np.asarray(self.offset, dtype=np.int64),
            length=np.asarray(self.length, dtype=np.int64),
            checksum=np.asarray(self.checksum, dtype=np.uint32),
        )
        return _take(index, np.lexsort((index.line, index.file)))


def _take(index: Index, positions: np.ndarray) -> Index:
    arrays = {name: getattr(index, name)[positions] for name in _ARRAYS}
    return Index(index.version, index.files, index.families, **arrays)


def _first_occurrences(digest: np.ndarray) -> np.ndarray:
    """For each row the position of the first row with its digest; unknown digests equal none."""
    whole = np.ascontiguousarray(digest).view(f"S{DIGEST_BYTES}").ravel()
    _, first, value = np.unique(whole, return_index=True, return_inverse=True)
    return np.where(digest.any(axis=1), first[value], np.arange(len(digest)))


def _failure(error: CorpusError) -> CorpusError:
    if isinstance(error, FeatureVersionError):
        return error
    return CorpusError(
        f"{error}. Mend the row or fetch the file again, or leave such rows out with "
        "corpus.bad_rows: skip"
    )


def _where(index: Index, position: int) -> str:
    return f"{index.files[index.file[position]]}:{index.line[position]}"


def _megabytes(size: int) -> int:
    return -(-size // _MEGABYTE)
