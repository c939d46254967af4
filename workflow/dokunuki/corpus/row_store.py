"""A store of raw rows: what one pass through a release's containers gave, read from any place.

An archive can only be read from its start. The store keeps the files in it as they are, in blocks
that are compressed one by one, so that neither an index nor the rows of any seed need the archive
again. It takes about a third of the files' own size.
"""

from __future__ import annotations

import io
from array import array
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

import numpy as np
from backports import zstd

from dokunuki.corpus.streams import BLOCK_BYTES, readable
from dokunuki.corpus.weekly import Selection, weekly_name
from dokunuki.errors import damaged_file
from dokunuki.progress import Progress
from dokunuki.storage.arrays import create_array, create_arrays, open_arrays, read_array

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import h5py
    from typing_extensions import Buffer

    from dokunuki.corpus.containers import Containers, Member

# Some twenty rows: few enough to read one of them quickly, enough to compress well.
_BLOCK_BYTES = 1 << 17
_CHUNK_BYTES = 1 << 18
_LEVEL = 3
_MEGABYTE = 1 << 20
_NOT_LEFT_OUT = -1


def write_store(
    path: str | Path, containers: Containers, file_types: Sequence[str] | None = None
) -> None:
    """Keep the raw feature files of a release's containers, atomically, in bounded memory.

    Of EMBER2024's files that `file_types` does not ask for only the number of rows is kept. Raises
    CorpusError as `Containers.members`.
    """
    selection = Selection(file_types)
    names, places, sizes, left_out = [], [], array("q"), array("q")
    first, starts = array("q"), array("q", [0])
    total = containers.total_bytes // _MEGABYTE
    progress = Progress(f"unpack {containers.path.name} (MB)", total)
    with create_arrays(path) as (file, check_written):
        blocks = file.create_dataset(
            "blocks",
            shape=(0,),
            maxshape=(None,),
            dtype=np.uint8,
            chunks=(_CHUNK_BYTES,),
            # Written on, since nothing comes back to what was written: a full disk shows at once.
            rdcc_nbytes=2 * _CHUNK_BYTES,
            track_times=False,
        )
        for member in containers.members():
            names.append(member.name)
            # Names of files may hold bytes that are no text.
            places.append(member.where.encode("utf-8", "backslashreplace").decode("utf-8"))
            first.append(len(starts) - 1)
            size = 0
            named = weekly_name(member.name)
            if named and selection.left_out(named.file_type, named.part):
                left_out.append(_lines(member))
            else:
                left_out.append(_NOT_LEFT_OUT)
                for block in _blocks_of(member):
                    size += len(block)
                    packed = np.frombuffer(zstd.compress(block, level=_LEVEL), dtype=np.uint8)
                    starts.append(starts[-1] + len(packed))
                    blocks.resize((starts[-1],))
                    blocks[starts[-2] :] = packed
                    check_written()
                    progress.update(containers.bytes_done // _MEGABYTE)
            sizes.append(size)
        progress.update(total)
        create_array(file, "files", np.array(names, dtype=str))
        create_array(file, "where", np.array(places, dtype=str))
        for name, column in (
            ("size", sizes),
            ("left_out", left_out),
            ("first", first),
            ("starts", starts),
        ):
            create_array(file, name, np.asarray(column, dtype=np.int64))
        file.attrs["file_types"] = _types_text(file_types)


@contextmanager
def open_store(path: str | Path) -> Iterator[RowStore]:
    """Open what `write_store` wrote; raises DataFileError when it is missing or damaged."""
    with open_arrays(path) as file:
        yield RowStore(path, file)


class RowStore:
    """An open store, whose files are read from any place; see `open_store`."""

    def __init__(self, path: str | Path, file: h5py.File) -> None:
        self._path = path
        self._blocks = file["blocks"]
        self._types = str(file.attrs["file_types"])
        self._starts = read_array(file, "starts")
        self.files: tuple[str, ...] = tuple(read_array(file, "files").tolist())
        where, size, left_out, first = (
            dict(zip(self.files, read_array(file, name).tolist(), strict=True))
            for name in ("where", "size", "left_out", "first")
        )
        self.where: dict[str, str] = where
        """How messages name the files."""
        self.size: dict[str, int] = size
        """The bytes that are kept of the files."""
        self.left_out: dict[str, int] = left_out
        """How many rows a file has of which none is kept, since its type was not asked for."""
        self._first: dict[str, int] = first
        self._number, self._block = -1, b""

    def check_types(self, file_types: Sequence[str] | None) -> None:
        """Raise DataFileError when the store was made for other types of files."""
        if self._types != _types_text(file_types):
            raise damaged_file(self._path, "was made for other file_types")

    def read(self, file: str, offset: int, length: int) -> bytes:
        """Bytes of a file, fewer where it ends before, none of a file that is not there."""
        end = min(offset + length, self.size.get(file, 0))
        parts = []
        while offset < end:
            number, within = divmod(offset, _BLOCK_BYTES)
            part = self._read_block(self._first[file] + number)[within : within + end - offset]
            parts.append(part)
            offset += len(part)
        return b"".join(parts)

    def stream(self, file: str) -> IO[bytes]:
        """The content of a file, from its start."""
        return io.BufferedReader(_Stream(self, file), BLOCK_BYTES)

    def _read_block(self, number: int) -> bytes:
        # The block before is kept, since rows are read in the order in which they stand.
        if number != self._number:
            start, end = self._starts[number : number + 2].tolist()
            self._block = zstd.decompress(self._blocks[start:end].tobytes())
            self._number = number
        return self._block


class _Stream(io.RawIOBase):
    def __init__(self, store: RowStore, file: str) -> None:
        self._store = store
        self._file = file
        self._offset = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        view = memoryview(buffer).cast("B")
        block = self._store.read(self._file, self._offset, len(view))
        view[: len(block)] = block
        self._offset += len(block)
        return len(block)


def _lines(member: Member) -> int:
    with readable(member.where):
        return sum(1 for line in member.content if line.strip())


def _blocks_of(member: Member) -> Iterator[bytes]:
    with readable(member.where):
        while block := member.content.read(_BLOCK_BYTES):
            # Only a file's last block may be shorter, since places are found by division.
            while len(block) < _BLOCK_BYTES and (
                more := member.content.read(_BLOCK_BYTES - len(block))
            ):
                block += more
            yield block


def _types_text(file_types: Sequence[str] | None) -> str:
    return "" if file_types is None else ",".join(sorted(file_types))
