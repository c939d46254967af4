"""Releases in containers: archives and compressed files, alone or several in a folder.

They are read as streams, and nothing is unpacked to disk by a name that an archive tells. A stream
can only be read from its start: `row_store` keeps what one pass gave, for all that come later.
"""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import PurePosixPath
from tarfile import HeaderError, ReadError
from typing import IO, TYPE_CHECKING, NamedTuple, cast

from dokunuki.corpus.naming import (
    ARCHIVE_SUFFIXES,
    is_ember,
    is_lines,
    is_weekly,
    name_within,
    plain_name,
)
from dokunuki.corpus.protocol import file_order
from dokunuki.corpus.streams import (
    BLOCK_BYTES,
    TAR,
    ZIP,
    check_copied,
    content_of,
    head_of,
    opened,
    readable,
)
from dokunuki.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from typing import Self

# Folders in which macOS keeps what an archive cannot hold; their files have the others' names.
_MACOS = "__MACOSX"
_ZIP_ENCRYPTED = 0x1
_ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_NESTED = (*ARCHIVE_SUFFIXES, ".7z", ".rar")


class Member(NamedTuple):
    """A raw feature file: its plain name, how messages name it, and its content, decompressed."""

    name: str
    where: str
    content: IO[bytes]


class Containers:
    """Raw feature files in tar and zip archives and in compressed files.

    Of an archive's files those count that have names of EMBER's and EMBER2024's raw feature files,
    in whatever folders, or all *.jsonl where there are none.
    """

    def __init__(self, path: Path, files: Sequence[Path]) -> None:
        self.path = path
        self.files = tuple(files)
        self.total_bytes = sum(file.stat().st_size for file in files)
        self._file: IO[bytes] | None = None
        self._finished = 0

    @property
    def bytes_done(self) -> int:
        """How far `members` is, in the bytes that `total_bytes` counts."""
        within = self._file.tell() if self._file is not None and not self._file.closed else 0
        return self._finished + within

    def members(self) -> Iterator[Member]:
        """The raw feature files, one after the other; each is read before the next is asked for.

        Raises CorpusError for a container that is damaged, encrypted or of another kind, for one
        that holds no raw feature files, and for a release that holds a file twice.
        """
        for file in self.files:
            check_copied(file)
        for is_wanted in (_is_released, is_lines):
            met = _Met(self.path, is_wanted)
            self._file, self._finished = None, 0
            # Zips tell their names at once, so that a file that comes twice is known at the start.
            zips = {file: _zip_entries(file, met) for file in self.files if _is_zip(file)}
            for file in self.files:
                if file in zips:
                    yield from self._members_of_zip(file, zips[file])
                else:
                    yield from self._members_of_stream(file, met)
                self._file = None
                self._finished += file.stat().st_size
            if met.places:
                return
        raise met.nothing()

    def _members_of_zip(self, file: Path, entries: Sequence[zipfile.ZipInfo]) -> Iterator[Member]:
        with readable(file), file.open("rb") as self._file, zipfile.ZipFile(self._file) as archive:
            for entry in entries:
                with readable(f"{file}/{entry.filename}"), archive.open(entry) as stream:
                    yield _member(stream, entry.filename, file)

    def _members_of_stream(self, file: Path, met: _Met) -> Iterator[Member]:
        with readable(file), file.open("rb") as self._file:
            content, kind = opened(self._file, str(file))
            if kind == TAR:
                yield from _members_of_tar(content, file, met)
            elif kind == ZIP:
                raise _nested(file, "it")
            elif not kind and file.name.endswith(ARCHIVE_SUFFIXES):
                raise CorpusError(
                    f"{file}: empty, truncated or damaged (what it holds is no archive); fetch or "
                    "copy it again"
                )
            else:
                name = name_within(self.path, file)
                met.note(name, str(file))
                yield Member(name, str(file), content)


class _Met:
    """The names met in one pass through a release, and which of them count."""

    def __init__(self, path: Path, is_wanted: Callable[[str], bool]) -> None:
        self.path = path
        self.places: dict[str, str] = {}
        """How messages name the files that count, by their plain names."""
        self._is_wanted = is_wanted
        self._others: list[str] = []

    def counts(self, name: str, container: Path) -> bool:
        """Whether a file in an archive, named with its folders, is to be read.

        Raises CorpusError when another file has its name.
        """
        base = _basename(name)
        if _MACOS in _parts(name) or not self._is_wanted(base):
            self._others.append(name)
            return False
        self.note(plain_name(base), f"{container}/{name}")
        return True

    def note(self, plain: str, place: str) -> None:
        """Note a file that is read, by its plain name; raises CorpusError when another has it."""
        if plain not in self.places:
            self.places[plain] = place
            return
        other = self.places[plain]
        what = (
            f"holds {plain} twice: {other} was added again"
            if other == place
            else f"holds {plain} twice, as {other} and as {place}: two releases in one"
        )
        raise CorpusError(
            f"{self.path}: {what}; unpack it and give the folder of the release that you want"
        )

    def nothing(self) -> CorpusError:
        """The error for a release of which no file counts."""
        if not self._others:
            return CorpusError(f"{self.path}: the archive is empty; fetch or copy it again")
        if nested := next((name for name in self._others if name.endswith(_NESTED)), None):
            return _nested(self.path, nested)
        return CorpusError(
            f"{self.path}: the archive holds no train_features_*.jsonl, no test_features.jsonl and "
            f"no other *.jsonl, but {self._others[0]}, so it is not an EMBER release; name another "
            "archive with the dataset's path"
        )


class _Entry(tarfile.TarInfo):
    """A header of a tar archive; tarfile passes over headers that are damaged or cut off."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        try:
            return super().frombuf(buf, encoding, errors)
        except HeaderError as error:
            # A whole block of zeros ends an archive.
            if len(buf) == tarfile.BLOCKSIZE and not any(buf):
                raise
            raise ReadError(f"{error}, where another file or the end should be") from error


def _members_of_tar(content: IO[bytes], file: Path, met: _Met) -> Iterator[Member]:
    with tarfile.open(fileobj=content, mode="r|", tarinfo=_Entry) as archive:
        for entry in archive:
            if entry.isdir() or not met.counts(entry.name, file):
                continue
            stream = archive.extractfile(entry) if entry.isreg() else None
            if stream is None:
                raise CorpusError(
                    f"{file}/{entry.name}: is a link to {entry.linkname}, not a file; make the "
                    "archive again with tar --dereference --hard-dereference"
                )
            yield _member(stream, entry.name, file)
        # To the very end, since only there the last checksum shows that nothing is missing.
        rest = cast("IO[bytes]", archive.fileobj)
        while block := rest.read(BLOCK_BYTES):
            if any(block):
                raise CorpusError(
                    f"{file}: continues after the archive's end, so it holds two archives or is "
                    "damaged; unpack it with tar --ignore-zeros and give the folder"
                )


def _member(stream: IO[bytes], name: str, container: Path) -> Member:
    where = f"{container}/{_basename(name)}"
    content, kind = opened(stream, where)
    if kind in (TAR, ZIP):
        raise _nested(container, name)
    return Member(plain_name(_basename(name)), where, content)


def _nested(place: str | Path, name: str) -> CorpusError:
    return CorpusError(
        f"{place}: {name} is an archive inside another; unpack the outer one and give the inner one"
    )


def _is_zip(file: Path) -> bool:
    return content_of(head_of(file)) == ZIP


def _zip_entries(file: Path, met: _Met) -> list[zipfile.ZipInfo]:
    """What is to be read of a zip, in the release's order."""
    with readable(file), zipfile.ZipFile(file) as archive:
        entries = [
            entry
            for entry in archive.infolist()
            if not entry.is_dir() and met.counts(entry.filename, file)
        ]
    for entry in entries:
        if entry.flag_bits & _ZIP_ENCRYPTED:
            problem = "is encrypted; unpack the zip with its password and give the folder"
        elif entry.compress_type not in _ZIP_METHODS:
            problem = (
                f"is compressed by method {entry.compress_type}, which is not read here; unpack "
                "the zip (7-Zip can) and give the folder"
            )
        else:
            continue
        raise CorpusError(f"{file}/{entry.filename}: {problem}")
    return sorted(entries, key=lambda entry: file_order(_basename(entry.filename)))


def _parts(name: str) -> tuple[str, ...]:
    # Some programs on Windows write backslashes.
    return PurePosixPath(name.replace("\\", "/")).parts


def _basename(name: str) -> str:
    parts = _parts(name)
    return parts[-1] if parts else ""


def _is_released(name: str) -> bool:
    return is_ember(name) or is_weekly(name)
