"""The index of a release: where each usable row stands, and what is known of it.

One scan makes it, in bounded memory: numbers in arrays, of what is said of a row, and no Python
object a row. `tests/unit/corpus/test_index.py` holds it to 250 bytes a row, so that EMBER2024's 6.5
million rows fit in 2 GiB.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np

from dokunuki.corpus.index_columns import ARRAYS, TEXTS, IndexColumns
from dokunuki.corpus.protocol import UNKNOWN_DIGEST, BadRow, Location, file_order
from dokunuki.corpus.scanning import scan_parts
from dokunuki.corpus.validation import DIGEST_BYTES, FeatureVersionError
from dokunuki.errors import CorpusError
from dokunuki.progress import Progress, logger
from dokunuki.storage.arrays import open_arrays, read_array, write_arrays

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from dokunuki.corpus.protocol import Release

LISTED = 100
"""How many duplicates and how many bad rows the report lists; all are counted."""

_LABEL_NAMES = {0: "goodware", 1: "malware", -1: "unlabelled"}
_MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Index:
    """The usable rows of a release, in the release's order; a row's position is its number here.

    `digest` uint8 (n, 32) is all zero where the sha256 is not known. `label` is int8 (n,).
    `appeared` int32 (n,) are positions in `dates`, `avclass` int32 (n,) positions in `families`,
    `week` int16 (n,) positions in `weeks`, and `file` int16 (n,) positions in `files`; see
    `IndexEntry` for what they tell. `line` int64 (n,) counts from 1. `offset` and `length` int64
    (n,) are bytes within the file, and `checksum` uint32 (n,) is the CRC-32 of these bytes.
    """

    version: int
    files: tuple[str, ...]
    dates: tuple[str, ...]
    families: tuple[str, ...]
    weeks: tuple[str, ...]
    digest: np.ndarray
    label: np.ndarray
    appeared: np.ndarray
    avclass: np.ndarray
    week: np.ndarray
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

    def told(self, field: str, positions: np.ndarray | slice = slice(None)) -> np.ndarray:
        """What `appeared`, `avclass`, `week` or `file` of some rows say, Unicode (n,)."""
        texts = np.array(getattr(self, TEXTS[field]), dtype=str)
        chosen: np.ndarray = texts[getattr(self, field)[positions]]
        return chosen

    def locations(self, positions: Iterable[int]) -> Locations:
        """Where some rows stand."""
        return Locations(self, np.fromiter(positions, dtype=np.int64))


class Locations(Sequence[Location]):
    """Where some rows of an index stand; each is told when it is asked for, and none is kept."""

    def __init__(self, index: Index, positions: np.ndarray) -> None:
        self._index = index
        self._positions = positions

    def __len__(self) -> int:
        """The number of rows."""
        return len(self._positions)

    @overload
    def __getitem__(self, place: int) -> Location: ...

    @overload
    def __getitem__(self, place: slice) -> Locations: ...

    def __getitem__(self, place: int | slice) -> Location | Locations:
        """Where one row stands, or some."""
        index, position = self._index, self._positions[place]
        if isinstance(place, slice):
            return Locations(index, position)
        return Location(
            index.files[index.file[position]],
            int(index.line[position]),
            int(index.offset[position]),
            int(index.length[position]),
            index.digest[position].tobytes(),
            int(index.checksum[position]),
        )


def build_index(
    release: Release, bad_rows: str = "fail", *, workers: int = 1
) -> tuple[Index, dict[str, Any]]:
    """Scan a release: the index of its usable rows, and a report of what was found.

    The first of several rows with the same sha256, in the release's order, is kept. `bad_rows` says
    what a malformed row does: "fail" raises CorpusError with its file and line, "skip" leaves it
    out. The report is ready for JSON. It counts rows per label and per file, duplicates, rows that
    were not asked for, and bad rows, and lists the first `LISTED` of duplicates and bad rows. Files
    that stand with both labels, as goodware here and as malware there, are listed too, and the log
    tells of them. A large release is scanned by that many `workers`, see `scan_parts`, with the
    same results and errors.
    Raises CorpusError when no row is left.
    """
    columns = IndexColumns()
    left_out: Counter[str] = Counter()
    bad: list[BadRow] = []
    bad_count = 0
    progress = Progress(f"index {release.path.name} (MB)", _megabytes(release.total_bytes))
    with closing(scan_parts(release, LISTED, workers)) as parts:
        for part in parts:
            if part.bad and bad_rows != "skip":
                raise _failure(part.bad[0].error)
            if part.failure is not None:
                raise part.failure
            columns.extend(part.columns)
            left_out.update(part.left_out)
            bad += part.bad[: LISTED - len(bad)]
            bad_count += part.bad_count
            seen = len(columns) + left_out.total() + bad_count
            progress.update(_megabytes(release.bytes_done), rows=str(seen))
    scanned = len(columns)
    progress.update(progress.total, rows=str(scanned + bad_count))
    if not scanned:
        unasked = sum(left_out.values())
        raise CorpusError(
            f"{release.path}: none of its {bad_count + unasked} rows is usable"
            + (
                f"; {unasked} are of types not in file_types ({', '.join(left_out)})"
                if unasked
                else ""
            )
            + (f"; the first malformed one: {bad[0].error}" if bad else "")
        )
    index, repeated = _indexed(columns, release.version)
    contrary = repeated.contrary
    if contrary:
        logger.warning(
            "%s: %d files appear with both labels, as goodware and as malware; the first row of "
            "each is kept. One of them is %s: %s. The report lists them",
            release.path,
            repeated.contrary_count,
            contrary[0]["sha256"],
            ", ".join(f"{row['label']} in {row['row']}" for row in contrary[0]["rows"]),
        )
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
            "count": scanned - len(index),
            "listed": repeated.listed,
            "contradicting_labels": {"count": repeated.contrary_count, "listed": contrary},
        },
        "left_out": {"count": sum(left_out.values()), **dict(sorted(left_out.items()))},
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
    arrays = {name: getattr(index, name) for name in ARRAYS}
    for name in TEXTS.values():
        arrays[name] = np.array(getattr(index, name), dtype=str)
    write_arrays(path, arrays, {"version": index.version})


def read_index(path: str | Path) -> Index:
    """Read what `write_index` wrote; raises DataFileError when it is missing or damaged."""
    with open_arrays(path) as file:
        arrays = {name: read_array(file, name) for name in ARRAYS}
        dates, families, weeks, files = (
            tuple(read_array(file, name).tolist()) for name in TEXTS.values()
        )
        return Index(int(file.attrs["version"]), files, dates, families, weeks, **arrays)


class _Repeated(NamedTuple):
    """Rows whose sha256 stood before; how many sha256 stand with both labels, and these.

    Both lists are at most `LISTED` long.
    """

    listed: list[dict[str, str]]
    contrary_count: int
    contrary: list[dict[str, Any]]


def _indexed(columns: IndexColumns, version: int) -> tuple[Index, _Repeated]:
    """The first row of each sha256 in the release's order, and what is repeated.

    An archive may hold its files in any order. Columns are let go of as they are taken.
    """
    met = list(columns.texts["file"])
    files = sorted(met, key=file_order)
    ranks = {name: place for place, name in enumerate(files)}
    file = np.array([ranks[name] for name in met], dtype=np.int16)[columns.take("file")]
    line = columns.take("line")
    label = columns.take("label")
    digest = columns.take("digest").reshape(-1, DIGEST_BYTES)
    order = np.lexsort((line, file))
    first = _first_occurrences(digest[order])
    kept = first == np.arange(len(order), dtype=first.dtype)
    contrary = _with_both_labels(first, label[order])
    where = partial(_where, files, file[order], line[order])
    repeated = _Repeated(
        listed=[
            {
                "sha256": digest[order[place]].tobytes().hex(),
                "kept": where(first[place]),
                "left_out": where(place),
            }
            for place in np.flatnonzero(~kept)[:LISTED].tolist()
        ],
        contrary_count=len(contrary),
        contrary=[
            {
                "sha256": digest[order[place]].tobytes().hex(),
                "rows": [
                    {"row": where(other), "label": int(label[order[other]])}
                    for other in np.flatnonzero(first == place).tolist()
                ],
            }
            for place in contrary[:LISTED].tolist()
        ],
    )
    order = order[kept]
    taken = {"digest": digest, "file": file, "line": line, "label": label}
    arrays = {name: column[order] for name, column in taken.items()}
    del digest, file, line, label, first, taken, where
    for name in ARRAYS:
        if name not in arrays:
            arrays[name] = columns.take(name)[order]
    index = Index(
        version=version,
        files=tuple(files),
        dates=tuple(columns.texts["appeared"]),
        families=tuple(columns.texts["avclass"]),
        weeks=tuple(columns.texts["week"]),
        **arrays,
    )
    return index, repeated


def _first_occurrences(digest: np.ndarray) -> np.ndarray:
    """For each row the position of the first row with its digest; unknown digests equal none."""
    words = np.ascontiguousarray(digest).view(np.uint64)
    # Stable: of equal digests the first comes first.
    order = np.lexsort(tuple(words.T))
    is_new = np.ones(len(order), dtype=bool)
    is_new[1:] = False
    for word in words.T:
        ordered = word[order]
        is_new[1:] |= ordered[1:] != ordered[:-1]
    heads = order[is_new]
    first = np.empty_like(order)
    first[order] = np.repeat(heads, np.diff(np.append(np.flatnonzero(is_new), len(order))))
    unknown = np.flatnonzero(~digest.any(axis=1))
    first[unknown] = unknown
    return first


def _where(files: Sequence[str], file: np.ndarray, line: np.ndarray, place: int) -> str:
    return f"{files[file[place]]}:{line[place]}"


def _with_both_labels(first: np.ndarray, label: np.ndarray) -> np.ndarray:
    """The first rows of those digests that stand with 0 and with 1; -1 contradicts nothing."""
    stands = np.zeros((2, len(first)), dtype=bool)
    known = label >= 0
    stands[label[known], first[known]] = True
    return np.flatnonzero(stands.all(axis=0))


def _failure(error: CorpusError) -> CorpusError:
    if isinstance(error, FeatureVersionError):
        return error
    return CorpusError(
        f"{error}. Mend the row or fetch the file again, or leave such rows out with "
        "corpus.bad_rows: skip"
    )


def _megabytes(size: int) -> int:
    return -(-size // _MEGABYTE)
