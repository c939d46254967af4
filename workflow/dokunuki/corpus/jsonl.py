"""Releases of raw features: a folder of JSON lines, or the published archive of one."""

from __future__ import annotations

import bz2
import json
import re
import tarfile
import zlib
from abc import ABC, abstractmethod
from contextlib import contextmanager
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, NamedTuple

import orjson

from dokunuki.corpus.protocol import (
    BATCH_ROWS,
    BadRow,
    IndexEntry,
    LeftOut,
    Location,
    file_order,
)
from dokunuki.corpus.quick_check import Identity, quick_identity, row_identity
from dokunuki.corpus.validation import FeatureVersionError, Row, check_row
from dokunuki.corpus.weekly import Selection, WeeklyName, weekly_name
from dokunuki.errors import CorpusError
from dokunuki.storage.files import verify_checksum

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

    from dokunuki.corpus.protocol import Vectorise

RAW_FILE = re.compile(r"train_features_\d+\.jsonl|test_features\.jsonl")

_BLOCK_BYTES = 1 << 20


def parse_row(line: bytes, version: int, where: str) -> Row:
    """One checked row from one line of JSON; raises CorpusError that starts with `where`."""
    try:
        row: Row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        if not line.strip():
            raise CorpusError(f"{where}: the line is empty") from None
        _check_loosely(line, version, where)
        raise CorpusError(f"{where}: malformed JSON: {error}") from None
    check_row(row, version, where)
    return row


def _check_loosely(line: bytes, version: int, where: str) -> None:
    """Python's own reader takes NaN and Infinity, so that the message can name the key."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return
    check_row(row, version, where)


class _Line(NamedTuple):
    number: int
    offset: int
    text: bytes


class _JsonLines(ABC):
    """What folder and archive have in common: each file is a stream of lines."""

    layout: str

    def __init__(self, path: Path, version: int, file_types: Sequence[str] | None = None) -> None:
        self.path = path
        self.version = version
        self.file_types = None if file_types is None else tuple(file_types)
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
        sound_rows = False
        selection = Selection(self.file_types)
        for file, stream in self._streams():
            line = None
            named = weekly_name(file)
            if named and (reason := selection.left_out(named.file_type, named.part)):
                yield LeftOut(reason, self._count(file, stream))
                continue
            for line in _numbered(stream, self.where(file)):
                self._advance(len(line.text))
                try:
                    row = quick_identity(line.text, self.version) or self._identity(file, line)
                    if named:
                        self._check_type(row, named, file, line)
                except CorpusError as error:
                    # A first row of another version says that all are: nothing to be skipped.
                    if isinstance(error, FeatureVersionError) and not sound_rows:
                        raise
                    yield BadRow(file, line.number, _cut_off(line.text, error))
                    continue
                sound_rows = True
                if reason := selection.left_out(row.file_type):
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
            if line is None:
                raise CorpusError(
                    f"{self.where(file)}: the file is empty; fetch or copy the release again"
                )

        selection.check_met(self.path)

    def _count(self, file: str, stream: IO[bytes]) -> int:
        """How many rows a file has that is not looked into."""
        rows = 0
        for line in _numbered(stream, self.where(file)):
            self._advance(len(line.text))
            rows += 1
        return rows

    def _check_type(self, row: Identity, named: WeeklyName, file: str, line: _Line) -> None:
        if row.file_type not in ("", named.file_type):
            raise CorpusError(
                f"{self.where(file, line.number)}: file_type is {row.file_type!r}, but the file's "
                f"name says {named.file_type}"
            )

    def _identity(self, file: str, line: _Line) -> Identity:
        row = parse_row(line.text, self.version, self.where(file, line.number))
        return row_identity(row, self.version)

    def read(self, locations: Sequence[Location]) -> Iterator[tuple[int, Row]]:
        """Raw rows with their positions in `locations`, in the release's own order.

        Raises CorpusError when a row is not there any more, or not the same in every byte.
        """
        for position, text in self._lines(locations):
            if zlib.crc32(text) != locations[position].checksum:
                raise self._changed(locations[position])
            # Checked when it was indexed, and the same since.
            yield position, orjson.loads(text)

    def vectors(
        self, locations: Sequence[Location], vectorise: Vectorise
    ) -> Iterator[tuple[list[int], np.ndarray]]:
        """Read and vectorise some rows; see `Release.vectors`."""
        rows = self.read(locations)
        while batch := list(islice(rows, BATCH_ROWS)):
            yield (
                [position for position, _ in batch],
                vectorise([row for _, row in batch], self.version),
            )

    def where(self, file: str, line: int | None = None) -> str:
        """How messages name a file of this release, or one of its lines."""
        return f"{self.path / file}" if line is None else f"{self.path / file}:{line}"

    def _changed(self, location: Location) -> CorpusError:
        file = self.where(location.file)
        return CorpusError(
            f"{self.where(location.file, location.line)}: the row {location.digest.hex()} is not "
            "here any more, or damaged: the release has changed since it was indexed; fetch or "
            f"copy the file again (a simulated one: delete {file} and run the same command again); "
            "was the change meant, delete the index and run the same command again"
        )


class JsonlFolder(_JsonLines):
    """A folder of train_features_*.jsonl and test_features.jsonl, or of EMBER2024's weekly files.

    Weekly files may lie in folders within it. A file is named by its path from the folder.
    """

    layout = "folder of JSON lines"

    def __init__(
        self,
        path: Path,
        version: int,
        files: Sequence[Path],
        file_types: Sequence[str] | None = None,
    ) -> None:
        super().__init__(path, version, file_types)
        self.files = tuple(files)
        self.total_bytes = sum(file.stat().st_size for file in files)

    def _streams(self) -> Iterator[tuple[str, IO[bytes]]]:
        for file in self.files:
            verify_checksum(file)  # a simulated corpus has them, a published one has none
            with _readable(file), file.open("rb", _BLOCK_BYTES) as stream:
                yield file.relative_to(self.path).as_posix(), stream

    def _advance(self, length: int) -> None:
        self.bytes_done += length

    def _lines(self, locations: Sequence[Location]) -> Iterator[tuple[int, bytes]]:
        by_file = _positions_by_file(locations)
        for file, positions in by_file.items():
            path = self.path / file
            with _readable(path), path.open("rb") as stream:
                for position in positions:
                    stream.seek(locations[position].offset)
                    text = stream.read(locations[position].length)
                    if len(text) < locations[position].length:
                        raise self._changed(locations[position])
                    yield position, text


class JsonlArchive(_JsonLines):
    """The published .tar.bz2, read as a stream: nothing is unpacked to disk.

    A stream can only be read from its start: each scan and each read decompresses it once.
    """

    layout = "archive of JSON lines"

    def __init__(self, path: Path, version: int, file_types: Sequence[str] | None = None) -> None:
        super().__init__(path, version, file_types)
        self.total_bytes = path.stat().st_size
        self._compressed: IO[bytes] | None = None

    def _streams(self) -> Iterator[tuple[str, IO[bytes]]]:
        found = False
        # BZ2File rather than tarfile's own r|bz2: it reports a truncated stream wherever the cut
        # is, and reads archives made of several streams.
        with (
            _readable(self.path),
            self.path.open("rb") as self._compressed,
            bz2.open(self._compressed) as plain,
            tarfile.open(fileobj=plain, mode="r|") as archive,
        ):
            for member in archive:
                name = PurePosixPath(member.name).name
                is_raw = RAW_FILE.fullmatch(name) or weekly_name(name)
                content = archive.extractfile(member) if is_raw else None
                if content is not None:
                    found = True
                    yield name, content
            # To the very end, since only there the last checksum shows that nothing is missing.
            while plain.read(_BLOCK_BYTES):
                pass
        if not found:
            raise CorpusError(
                f"{self.path}: the archive holds no train_features_*.jsonl and no "
                "test_features.jsonl, so it is no EMBER release; name another with the dataset's "
                "path"
            )

    def _advance(self, length: int) -> None:
        if self._compressed is not None:
            self.bytes_done = self._compressed.tell()

    def _lines(self, locations: Sequence[Location]) -> Iterator[tuple[int, bytes]]:
        missing = _positions_by_file(locations)
        for file, stream in self._streams():
            positions = missing.pop(file, [])
            lines = _numbered(stream, self.where(file))
            for position in positions:
                wanted = locations[position].line
                text = next((line.text for line in lines if line.number == wanted), None)
                if text is None:
                    raise self._changed(locations[position])
                yield position, text
            if not missing:
                return
        raise self._changed(locations[next(iter(missing.values()))[0]])


def _numbered(stream: IO[bytes], where: str) -> Iterator[_Line]:
    offset = 0
    with _readable(where):
        for number, text in enumerate(stream, start=1):
            yield _Line(number, offset, text)
            offset += len(text)


def _positions_by_file(locations: Sequence[Location]) -> dict[str, list[int]]:
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
    """The error; where the line has no end, it says that the file was cut off there."""
    if line.endswith(b"\n"):
        return error
    return CorpusError(
        f"{error}; the file ends in the middle of this line: it is truncated, fetch or copy it "
        "again"
    )


@contextmanager
def _readable(where: str | Path) -> Iterator[None]:
    """Turn what a missing, truncated or damaged file raises into a CorpusError."""
    try:
        yield
    except FileNotFoundError as error:
        raise CorpusError(
            f"{error.filename}: no such file; it belongs to the release: fetch or copy it again"
        ) from None
    except (EOFError, OSError, tarfile.TarError) as error:
        raise CorpusError(
            f"{where}: empty, truncated or damaged ({error}); fetch or copy it again"
        ) from error
