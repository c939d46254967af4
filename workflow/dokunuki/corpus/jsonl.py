"""Releases of raw features as JSON lines, and such files read in place."""

from __future__ import annotations

import gc
import zlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import islice
from typing import IO, TYPE_CHECKING, NamedTuple

from dokunuki.corpus.layout import feature_layout
from dokunuki.corpus.naming import name_within
from dokunuki.corpus.parsing import UnfinishedError, is_blank, parse_row, read_row
from dokunuki.corpus.protocol import (
    BATCH_ROWS,
    BadRow,
    IndexEntry,
    LeftOut,
    Location,
    file_order,
)
from dokunuki.corpus.quick_check import Identity, quick_identities, row_identity
from dokunuki.corpus.streams import BLOCK_BYTES, check_copied, check_known, head_of, readable
from dokunuki.corpus.validation import FeatureVersionError, Row
from dokunuki.corpus.weekly import Selection, WeeklyName, weekly_name
from dokunuki.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy as np

    from dokunuki.corpus.protocol import Vectorise

_CHECKED_LINES = 16
# Rows of EMBER are some 10 KB long. A line is held whole, and a small archive can hold one without
# an end.
_LONGEST_LINE = 64 << 20


class _Line(NamedTuple):
    number: int
    offset: int
    text: bytes


class ByteRange(NamedTuple):
    """A part of a file: the lines whose first byte is at `start` or behind it, and before `end`."""

    file: str
    start: int
    end: int


@dataclass
class Met:
    """What a scan has met so far, on which it depends how later rows are taken.

    `sound` says that a row was sound: one of another version is a bad row from then on, and no
    longer a sign that all are. `lines` and `filled` count the lines of the file that is being
    scanned, all of them and those that are not blank.
    """

    selection: Selection
    sound: bool = False
    lines: int = 0
    filled: int = 0


class JsonLines(ABC):
    """What files, archives and stores have in common: each file is a stream of lines."""

    layout: str

    def __init__(self, path: Path, version: int, file_types: Sequence[str] | None = None) -> None:
        self.path = path
        self.version = version
        self.features = feature_layout(version)
        self.file_types = None if file_types is None else tuple(file_types)
        # What messages call the files, where that is not their name within the release.
        self._where: Mapping[str, str | Path] = {}
        self.total_bytes = 0
        self.bytes_done = 0

    @abstractmethod
    def _streams(self) -> Iterator[tuple[str, IO[bytes]]]:
        """Names and contents of the raw feature files, one after the other."""

    @abstractmethod
    def _lines(self, locations: Sequence[Location]) -> Iterator[tuple[int, bytes]]:
        """The lines at some locations, in the release's own order, each with its position."""

    @abstractmethod
    def _advance(self, length: int) -> None:
        """Note for the progress bar that `length` bytes of lines were read."""

    def scan(self) -> Iterator[IndexEntry | BadRow | LeftOut]:
        """Parse and check every line of every file that is asked for; see `Release.scan`."""
        self.bytes_done = 0
        met = Met(Selection(self.file_types))
        for file, stream in self._streams():
            met.lines = met.filled = 0
            yield from self._scan_lines(file, numbered(stream, self.where(file)), met)
            self.check_filled(file, met)
        met.selection.check_met(self.path)

    def check_filled(self, file: str, met: Met) -> None:
        """Raise CorpusError when a file that is asked for was scanned and no line had a row."""
        named = weekly_name(file)
        if not met.filled and not (named and met.selection.left_out(named.file_type, named.part)):
            raise CorpusError(
                f"{self.where(file)}: the file is empty; fetch or copy the release again"
            )

    def _scan_lines(
        self, file: str, lines: Iterator[_Line], met: Met
    ) -> Iterator[IndexEntry | BadRow | LeftOut]:
        named = weekly_name(file)
        if named and (reason := met.selection.left_out(named.file_type, named.part)):
            yield LeftOut(reason, self._count(file, lines, met))
            return
        for line, row in self._identities(lines):
            self._advance(len(line.text))
            met.lines += 1
            if row is None and is_blank(line.text):
                continue
            met.filled += 1
            try:
                row = row or self._identity(file, line)
                if named:
                    self._check_type(row, named, file, line)
            except CorpusError as error:
                # A first row of another version says that all are: nothing to be skipped.
                if isinstance(error, FeatureVersionError) and not met.sound:
                    raise
                yield BadRow(file, line.number, _cut_off(line.text, error))
                continue
            met.sound = True
            if reason := met.selection.left_out(row.file_type):
                yield LeftOut(reason, 1)
                continue
            yield IndexEntry(
                row.digest,
                row.label,
                row.appeared,
                row.avclass,
                file,
                line.number,
                line.offset,
                len(line.text),
                zlib.crc32(line.text),
                # What was published for a week is told by its name for certain.
                named.start if named else row.week,
            )

    def lines(self) -> Iterator[tuple[str, int, bytes]]:
        """All lines that are not blank: what messages call their file, their number, the line."""
        for file, stream in self._streams():
            for line in numbered(stream, self.where(file)):
                if not is_blank(line.text):
                    yield self.where(file), line.number, line.text

    def _count(self, file: str, lines: Iterator[_Line], met: Met) -> int:
        """How many rows there are on lines that are not looked into."""
        rows = 0
        for line in lines:
            self._advance(len(line.text))
            met.lines += 1
            rows += not is_blank(line.text)
        return rows

    def _check_type(self, row: Identity, named: WeeklyName, file: str, line: _Line) -> None:
        if row.file_type not in ("", named.file_type):
            raise CorpusError(
                f"{self.where(file, line.number)}: file_type is {row.file_type!r}, but the file's "
                f"name says {named.file_type}"
            )

    def _identities(self, lines: Iterator[_Line]) -> Iterator[tuple[_Line, Identity | None]]:
        """The same lines, with the identities of the rows that pass the quick check."""
        while batch := list(islice(lines, _CHECKED_LINES)):
            texts = [line.text for line in batch]
            yield from zip(batch, quick_identities(texts, self.version), strict=True)

    def _identity(self, file: str, line: _Line) -> Identity:
        row = parse_row(line.text, self.version, self.where(file, line.number))
        return row_identity(row, self.version)

    def read(self, locations: Sequence[Location]) -> Iterator[tuple[int, Row]]:
        """Raw rows with their positions in `locations`, in the release's own order.

        Raises CorpusError when a row is not there any more, or not the same in every byte.
        """
        for position, text in self._same_lines(locations):
            yield position, read_row(text)

    def _same_lines(self, locations: Sequence[Location]) -> Iterator[tuple[int, bytes]]:
        """The lines at some locations: checked when they were indexed, and the same since."""
        for position, text in self._lines(locations):
            if zlib.crc32(text) != locations[position].checksum:
                raise self._changed(locations[position])
            yield position, text

    def vectors(
        self, locations: Sequence[Location], vectorise: Vectorise
    ) -> Iterator[tuple[list[int], np.ndarray]]:
        """Read and vectorise some rows; see `Release.vectors`."""
        lines = self._same_lines(locations)
        while batch := list(islice(lines, BATCH_ROWS)):
            vectors = vectors_of_lines([text for _, text in batch], vectorise, self.version)
            yield [position for position, _ in batch], vectors

    def where(self, file: str, line: int | None = None) -> str:
        """How messages name a file of this release, or one of its lines."""
        place = self._where.get(file, self.path / file)
        return f"{place}" if line is None else f"{place}:{line}"

    def _changed(self, location: Location) -> CorpusError:
        file = self.where(location.file)
        return CorpusError(
            f"{self.where(location.file, location.line)}: the row {location.digest.hex()} is no "
            "longer here, or is damaged: the release has changed since it was indexed; fetch or "
            f"copy the file again (a simulated one: delete {file} and run the same command again). "
            "If the change was intended, delete the index and run the same command again"
        )


class JsonlFiles(JsonLines):
    """Files of plain JSON lines, one or a folder of them, whose rows are read in place.

    Weekly files of EMBER2024 may lie in folders within it. A file is named by its path from the
    folder.
    """

    def __init__(
        self,
        path: Path,
        version: int,
        files: Sequence[Path],
        file_types: Sequence[str] | None = None,
    ) -> None:
        super().__init__(path, version, file_types)
        self._where = self.files = {name_within(path, file): file for file in files}
        self.layout = "file of JSON lines" if path.is_file() else "folder of JSON lines"
        self.total_bytes = sum(file.stat().st_size for file in files)

    def _streams(self) -> Iterator[tuple[str, IO[bytes]]]:
        for name, file in self.files.items():
            _check_whole(file)
            with readable(file), file.open("rb", BLOCK_BYTES) as stream:
                yield name, stream

    def ranges(self, size: int) -> list[ByteRange]:
        """The files in ranges of `size` bytes at most, in the release's order.

        An empty file is one range too.
        """
        ranges = []
        for name, file in self.files.items():
            with readable(file):
                total = file.stat().st_size
            starts = range(0, max(1, total), size)
            ranges += [ByteRange(name, start, min(start + size, total)) for start in starts]
        return ranges

    def scan_range(self, part: ByteRange, met: Met) -> Iterator[IndexEntry | BadRow | LeftOut]:
        """What `scan` says of a range's lines, which are counted from the first of them.

        With a file's first range goes what is checked of the whole file before its lines.
        """
        file = self.files[part.file]
        if not part.start:
            _check_whole(file)
        with readable(file), file.open("rb", BLOCK_BYTES) as stream:
            _find_line(stream, part)
            lines = numbered(stream, self.where(part.file), part.end)
            yield from self._scan_lines(part.file, lines, met)

    def _advance(self, length: int) -> None:
        self.bytes_done += length

    def _lines(self, locations: Sequence[Location]) -> Iterator[tuple[int, bytes]]:
        by_file = positions_by_file(locations)
        for file, positions in by_file.items():
            path = self.files.get(file, self.path / file)
            with readable(path), path.open("rb") as stream:
                for position in positions:
                    stream.seek(locations[position].offset)
                    text = stream.read(locations[position].length)
                    if len(text) < locations[position].length:
                        raise self._changed(locations[position])
                    yield position, text


def vectors_of_lines(lines: Sequence[bytes], vectorise: Vectorise, version: int) -> np.ndarray:
    """Feature vectors, float32 (n, width), of a batch of lines that were checked before."""
    # Rows hold no cycles. The garbage collector would go through them time and again while they are
    # made and used, which takes a tenth of the time, and so it waits until they are gone.
    enabled = gc.isenabled()
    gc.disable()
    try:
        return vectorise([read_row(line) for line in lines], version)
    finally:
        if enabled:
            gc.enable()


def numbered(stream: IO[bytes], where: str, end: int | None = None) -> Iterator[_Line]:
    """The lines of a stream with their numbers, which count from 1, and their first bytes.

    With an `end`, only those that begin before it, in a stream that may stand anywhere and tells
    where. Raises CorpusError for a line that is longer than any row.
    """
    with readable(where):
        offset = 0 if end is None else stream.tell()
        number = 0
        while (end is None or offset < end) and (text := stream.readline(_LONGEST_LINE)):
            number += 1
            if len(text) == _LONGEST_LINE:
                raise CorpusError(
                    f"{where}:{number}: the line is longer than {_LONGEST_LINE >> 20} MiB, and no "
                    "row is that long; take the file out of the release"
                )
            yield _Line(number, offset, text)
            offset += len(text)


def _check_whole(file: Path) -> None:
    """Raise CorpusError for a file that as a whole is not what it should be."""
    check_copied(file)  # a simulated corpus has checksums, a published one has none
    check_known(head_of(file), file)


def _find_line(stream: IO[bytes], part: ByteRange) -> None:
    """Go to the first line that begins in a range, or behind the range where none does."""
    # From the byte before it: where that ends a line, the next one begins with the range.
    offset = max(0, part.start - 1)
    stream.seek(offset)
    ended = not part.start
    while not ended and offset < part.end and (text := stream.readline(part.end - offset)):
        offset += len(text)
        ended = text.endswith(b"\n")
    if not ended:
        stream.seek(part.end)


def positions_by_file(locations: Sequence[Location]) -> dict[str, list[int]]:
    """Positions in `locations` per file, files and lines in the release's order."""
    order = sorted(
        range(len(locations)),
        key=lambda position: (file_order(locations[position].file), locations[position].line),
    )
    by_file: dict[str, list[int]] = {}
    for position in order:
        by_file.setdefault(locations[position].file, []).append(position)
    return by_file


def _cut_off(line: bytes, error: CorpusError) -> CorpusError:
    """The error; where row and line have no end, it says that the file was cut off there."""
    if line.endswith(b"\n") or not isinstance(error, UnfinishedError):
        return error
    return CorpusError(
        f"{error}; the file ends in the middle of this line: it is truncated, fetch or copy it "
        "again"
    )
