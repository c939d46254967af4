"""Streams of bytes opened by what they hold, whatever their names say, and their failures told."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, cast

# The standard library's own from Python 3.14 on.
from backports.zstd import ZstdError, ZstdFile

from dokunuki.errors import CorpusError
from dokunuki.storage.files import checksum_problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from typing_extensions import Buffer

BLOCK_BYTES = 1 << 20
# A header of tar, the longest thing by which content is told.
HEAD_BYTES = 512
# Compressed twice happens (a .gz put into a .tar.gz, say); deeper is no accident.
_MOST_LAYERS = 3

TAR, ZIP, LINES = "tar", "zip", "lines"


def _zstd(stream: IO[bytes]) -> IO[bytes]:
    return cast("IO[bytes]", ZstdFile(stream))


_COMPRESSED: dict[bytes, Callable[[IO[bytes]], IO[bytes]]] = {
    b"\x1f\x8b": lambda stream: cast("IO[bytes]", gzip.GzipFile(fileobj=stream)),
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
    b"\x28\xb5\x2f\xfd": _zstd,
    # A frame to be skipped, which seekable writers and pzstd put first.
    **{bytes([number]) + b"\x2a\x4d\x18": _zstd for number in range(0x50, 0x60)},
}
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_FOREIGN = {
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive; unpack it and give the folder",
    b"Rar!": "a RAR archive; unpack it and give the folder",
    b"\x04\x22\x4d\x18": "compressed with lz4; decompress it first",
    b"\x1f\x9d": "compressed with compress (.Z); decompress it first",
    b"version https://git-lfs": "a Git LFS pointer and not the file itself; fetch it: git lfs pull",
    b"\xff\xfe": "text in UTF-16; convert it: iconv -f UTF-16 -t UTF-8",
    b"\xfe\xff": "text in UTF-16; convert it: iconv -f UTF-16 -t UTF-8",
}
_UTF8_MARK = b"\xef\xbb\xbf"
_DAMAGED = (
    EOFError,
    OSError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    ZstdError,
)


def is_compressed(head: bytes) -> bool:
    """Whether content that begins so is compressed, and not only packed."""
    return head.startswith(tuple(_COMPRESSED))


def content_of(head: bytes) -> str:
    """What the first bytes of a plain stream are of: `TAR`, `ZIP`, `LINES`, or "" for others."""
    if head.startswith(_ZIP):
        return ZIP
    if head.removeprefix(_UTF8_MARK).lstrip().startswith(b"{"):
        return LINES
    return TAR if _is_tar(head) else ""


def check_known(head: bytes, where: str | Path) -> None:
    """Raise CorpusError for content that begins like a thing which is surely no feature file."""
    problem = next((text for magic, text in _FOREIGN.items() if head.startswith(magic)), None)
    if head.lstrip()[:9].lower().startswith((b"<!doctype", b"<html")):
        problem = "a web page and not the file; the page may tell why, then fetch the file again"
    if len(head) == HEAD_BYTES and not any(head):
        problem = (
            "nothing but zeros: an empty archive, or a copy that failed; fetch or copy it again"
        )
    if problem:
        raise CorpusError(
            f"{where}: empty, truncated or damaged, or not a file of rows: it is {problem}"
        )


def check_copied(file: Path) -> None:
    """Raise CorpusError for a file that is not what the checksum beside it says, where one lies."""
    if problem := checksum_problem(file):
        raise CorpusError(
            f"{file}: {problem}; fetch or copy it again (a simulated one: delete {file} and "
            "run the same command again)"
        )


def opened(stream: IO[bytes], where: str) -> tuple[IO[bytes], str]:
    """The decompressed content of a stream, and what it is, as `content_of` says.

    `stream` stands at its beginning. Layers of gzip, bzip2, xz and Zstandard, in several members or
    frames too, are taken off. Raises CorpusError, which begins with `where`, for what can be told
    to be another thing.
    """
    for _ in range(_MOST_LAYERS):
        with readable(where):
            head, stream = _peeked(stream)
            layer = next(
                (open_ for magic, open_ in _COMPRESSED.items() if head.startswith(magic)), None
            )
            if layer is None:
                break
            stream = layer(stream)
    check_known(head, where)
    return stream, content_of(head)


def head_of(path: Path) -> bytes:
    """The first bytes of a file."""
    with readable(path), path.open("rb") as file:
        return file.read(HEAD_BYTES)


class _Rejoined(io.RawIOBase):
    """A stream whose first bytes were read already; it cannot be wound back."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        view = memoryview(buffer).cast("B")
        block = self._head[: len(view)] or self._rest.read(len(view))
        self._head = self._head[len(block) :]
        view[: len(block)] = block
        return len(block)


def _peeked(stream: IO[bytes]) -> tuple[bytes, IO[bytes]]:
    """The first bytes of a stream, as many as are asked for or there are, and the whole stream."""
    head = b""
    while len(head) < HEAD_BYTES and (block := stream.read(HEAD_BYTES - len(head))):
        head += block
    return head, io.BufferedReader(_Rejoined(head, stream), BLOCK_BYTES)


def _is_tar(head: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(head[:HEAD_BYTES], "utf-8", "surrogateescape")
    except tarfile.TarError:
        return False
    return True


@contextmanager
def readable(where: str | Path) -> Iterator[None]:
    """Turn what a missing, unreadable, truncated or damaged file raises into a CorpusError."""
    try:
        yield
    except FileNotFoundError as error:
        raise CorpusError(
            f"{error.filename}: no such file; it belongs to the release: fetch or copy it again"
        ) from None
    except _DAMAGED as error:
        # The system numbers its errors; the readers of compressed files do not.
        if isinstance(error, OSError) and error.errno is not None:
            raise CorpusError(
                f"{where}: cannot be read ({error.strerror}); check its permissions and its disk"
            ) from error
        raise CorpusError(
            f"{where}: empty, truncated or damaged ({error}); fetch or copy it again"
        ) from error
