"""The scan of a release part by part, in this process or in several that read for themselves.

A worker process is told a range of bytes. It finds the lines there, checks their rows and sends
back columns, never rows. Parts are joined in the release's order, so that results and errors are
those of one process.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import get_context
from typing import TYPE_CHECKING, NamedTuple

from dokunuki.corpus.index_columns import IndexColumns
from dokunuki.corpus.jsonl import JsonlFiles, Met
from dokunuki.corpus.protocol import BadRow, LeftOut
from dokunuki.corpus.weekly import Selection
from dokunuki.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from dokunuki.corpus.jsonl import ByteRange
    from dokunuki.corpus.protocol import IndexEntry, Release

WORTH_WORKERS = 256 << 20
"""Bytes of a release from which on workers are used: their start takes as long as 60 MB or so."""

_RANGE_BYTES = 8 << 20
_PART_ROWS = 1000


@dataclass
class Part:
    """What a scan found in one part of a release, in its order.

    `bad` are the first bad rows, `bad_count` is the number of all. `failure` is what ended the scan
    behind all that.
    """

    columns: IndexColumns = field(default_factory=IndexColumns)
    left_out: Counter[str] = field(default_factory=Counter)
    bad: list[BadRow] = field(default_factory=list)
    bad_count: int = 0
    failure: CorpusError | None = None


class _Scanned(NamedTuple):
    """A range's part, whose lines count from the range's first, and what the scan met there."""

    part: Part
    met: Met


def scan_parts(release: Release, listed: int, workers: int = 1) -> Generator[Part, None, None]:
    """Scan a release; of a part's bad rows the first `listed` are told.

    Up to `workers` processes scan plain files of `WORTH_WORKERS` bytes or more. Other releases are
    scanned by this process. Whoever stops before the end has to close the generator, which ends the
    workers. What `Release.scan` raises is the last part's failure.
    """
    if workers > 1 and isinstance(release, JsonlFiles) and release.total_bytes >= WORTH_WORKERS:
        yield from _by_ranges(release, listed, workers)
        return
    rows = release.scan()
    part = Part()
    while part.failure is None:
        part = Part()
        if not _collect(islice(rows, _PART_ROWS), part, listed):
            return
        yield part


def _collect(rows: Iterable[IndexEntry | BadRow | LeftOut], part: Part, listed: int) -> bool:
    """Put rows into a part; whether there were any, or a failure."""
    row: object = None
    try:
        for row in rows:
            if isinstance(row, BadRow):
                part.bad_count += 1
                if len(part.bad) < listed:
                    part.bad.append(row)
            elif isinstance(row, LeftOut):
                part.left_out[row.reason] += row.rows
            else:
                part.columns.add(row)
    except CorpusError as error:
        part.failure = error
    return row is not None or part.failure is not None


def _by_ranges(release: JsonlFiles, listed: int, workers: int) -> Iterator[Part]:
    """The parts of plain files, one a range."""
    ranges = release.ranges(_RANGE_BYTES)
    selection = Selection(release.file_types)
    done = lines = filled = 0
    with closing(_scans(release, ranges, listed, workers)) as scans:
        followed = zip(ranges, [*ranges[1:], None], strict=True)
        for (this, after), (part, met) in zip(followed, scans, strict=True):
            _move(part, release.where(this.file), lines)
            lines += met.lines
            filled += met.filled
            selection.join(met.selection)
            if after is None or after.file != this.file:
                try:
                    release.check_filled(this.file, Met(selection, filled=filled))
                    if after is None:
                        selection.check_met(release.path)
                except CorpusError as error:
                    part.failure = part.failure or error
                lines = filled = 0
            done += this.end - this.start
            release.bytes_done = done
            yield part


def _scans(
    release: JsonlFiles, ranges: Sequence[ByteRange], listed: int, workers: int
) -> Generator[_Scanned, None, None]:
    """The ranges' scans in order."""
    waiting = deque(ranges)
    sound = False
    # In this process until a row is sound: only then is it known how a worker has to take rows of
    # another version. Nearly always that is in the first range.
    while waiting and not sound:
        scanned = _scan(release, waiting.popleft(), listed, sound=False)
        sound = scanned.met.sound
        yield scanned
    # Workers that are spawned share nothing with this process, whose threads a fork would break.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        running = deque(pool.submit(_scan, release, part, listed, sound=True) for part in waiting)
        try:
            while running:
                yield running.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _scan(release: JsonlFiles, byte_range: ByteRange, listed: int, *, sound: bool) -> _Scanned:
    met = Met(Selection(release.file_types), sound)
    part = Part()
    _collect(release.scan_range(byte_range, met), part, listed)
    return _Scanned(part, met)


def _move(part: Part, where: str, lines: int) -> None:
    """Count the part's lines from the start of its file, which is `lines` earlier."""
    part.columns.move_lines(lines)
    part.bad = [
        BadRow(bad.file, bad.line + lines, _moved(bad.error, where, lines)) for bad in part.bad
    ]
    if part.failure is not None:
        part.failure = _moved(part.failure, where, lines)


def _moved(error: CorpusError, where: str, lines: int) -> CorpusError:
    """The same error; the line, where it begins with one, counted from the start of the file."""
    message = re.sub(
        rf"\A{re.escape(where)}:(\d+): ",
        lambda found: f"{where}:{int(found[1]) + lines}: ",
        str(error),
    )
    return type(error)(message)
