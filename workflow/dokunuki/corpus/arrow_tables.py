"""Tables that pyarrow reads: Parquet, Feather and CSV. Each column can be a side too."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import tempfile
from abc import abstractmethod
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from dokunuki.corpus.table import Block, Table, as_float32, block_rows, holds, readable
from dokunuki.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

# Text takes more than the numbers that it tells, and a block has to hold a whole line.
_TEXT_BLOCK_BYTES = 32 << 20
# A row group of Parquet that is larger as a matrix is read by so many columns at a time.
_LARGE_GROUP_BYTES = 64 << 20
_SLAB = 16
_SLAB_ROWS = 16384
_DELIMITERS = ",;\t|"
_DECOMPRESSORS: dict[str, Callable[[Path], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
}


class _ArrowTable(Table):
    """A table whose columns pyarrow reads; each of them can be a side too."""

    def __init__(self, path: Path, schema: pa.Schema, rows: int | None) -> None:
        self.path = path
        self.schema = schema
        self.names = self.sides = tuple(schema.names)
        self.width = len(self.names)
        self.rows = rows
        if len(set(self.names)) < self.width:
            twice = next(name for name in self.names if self.names.count(name) > 1)
            raise CorpusError(f"{path}: the column {twice!r} appears twice; rename one")

    def _numeric(self, columns: Sequence[int]) -> list[str]:
        """The names of columns, all of which hold numbers."""
        assert self.names is not None
        numbers = [self.names[column] for column in columns]
        for name in numbers:
            self._check_type(name)
        return numbers

    def _check_type(self, name: str) -> None:
        given = self.schema.field(name).type
        value = given.value_type if pa.types.is_dictionary(given) else given
        is_number = (
            pa.types.is_integer(value)
            or pa.types.is_floating(value)
            or pa.types.is_boolean(value)
            or pa.types.is_decimal(value)
            or pa.types.is_null(value)
        )
        if not is_number:
            raise CorpusError(
                f"{self.path}: column {name!r} holds {given}, but a feature must be a number; "
                "convert it, or leave it out of the layout"
            )


class _BatchedTable(_ArrowTable):
    """A table that is read batch by batch, each of all columns."""

    @abstractmethod
    def _batches(
        self, names: Sequence[str], wanted: np.ndarray | None, rows: int
    ) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Batches of at most `rows` rows, each with the number of its first."""

    def blocks(
        self, columns: Sequence[int], sides: Sequence[str], wanted: np.ndarray | None = None
    ) -> Iterator[Block]:
        """See `Table.blocks`."""
        numbers = self._numeric(columns)
        needed = list(dict.fromkeys([*numbers, *sides]))
        with readable(self.path):
            for start, batch in self._batches(needed, wanted, block_rows(len(columns))):
                yield Block(start, _matrix(batch, numbers), _lists(batch, sides))


def _matrix(batch: pa.RecordBatch, names: Sequence[str]) -> np.ndarray:
    """Columns of a batch side by side, float32 (rows, columns)."""
    X = np.empty((len(names), batch.num_rows), dtype=np.float32)
    for place, name in enumerate(names):
        X[place] = _numbers(batch.column(batch.schema.get_field_index(name)))
    return np.ascontiguousarray(X.T)


def _lists(batch: pa.RecordBatch, names: Sequence[str]) -> dict[str, list[Any]]:
    return {name: batch.column(name).to_pylist() for name in names}


def _numbers(column: pa.Array) -> np.ndarray:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_decimal(column.type) or pa.types.is_boolean(column.type):
        column = column.cast(pa.float64() if pa.types.is_decimal(column.type) else pa.int8())
    if pa.types.is_null(column.type):
        return np.full(len(column), np.nan, dtype=np.float32)
    return as_float32(column.to_numpy(zero_copy_only=False))


class Parquet(_ArrowTable):
    """A Parquet file, of which only row groups with wanted rows are read.

    Reading a row group holds the dictionaries of all columns that are read, up to 1 MB each, and
    pandas writes a million rows into one group. Of a large group only some columns at a time are
    read, therefore: they go to a scratch file, from which its rows are put together.
    """

    def __init__(self, path: Path) -> None:
        with pa.parquet.ParquetFile(path) as file:
            super().__init__(path, file.schema_arrow, file.metadata.num_rows)

    def _opened(self) -> pa.parquet.ParquetFile:
        return pa.parquet.ParquetFile(self.path, buffer_size=1 << 16)

    def blocks(
        self, columns: Sequence[int], sides: Sequence[str], wanted: np.ndarray | None = None
    ) -> Iterator[Block]:
        """See `Table.blocks`."""
        numbers = self._numeric(columns)
        rows = block_rows(len(columns))
        needed = list(dict.fromkeys([*numbers, *sides]))
        with readable(self.path), self._opened() as file:
            for group, start, length in _row_groups(file):
                if not holds(wanted, start, length):
                    continue
                if 4 * length * len(numbers) > _LARGE_GROUP_BYTES:
                    yield from _by_columns(file, group, start, numbers, sides, rows)
                    continue
                for first, batch in _group_batches(file, group, start, needed, rows):
                    yield Block(first, _matrix(batch, numbers), _lists(batch, sides))


def _row_groups(file: pa.parquet.ParquetFile) -> Iterator[tuple[int, int, int]]:
    """Number, first row and rows of each row group."""
    start = 0
    for group in range(file.num_row_groups):
        length = file.metadata.row_group(group).num_rows
        yield group, start, length
        start += length


def _group_batches(
    file: pa.parquet.ParquetFile, group: int, start: int, names: Sequence[str], rows: int
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Some columns of a row group, which begins at row `start`, at most `rows` rows at a time."""
    for batch in file.iter_batches(rows, [group], list(names), use_threads=False):
        yield start, batch
        start += batch.num_rows


def _by_columns(
    file: pa.parquet.ParquetFile,
    group: int,
    start: int,
    numbers: Sequence[str],
    sides: Sequence[str],
    rows: int,
) -> Iterator[Block]:
    """The rows of a large row group, `_SLAB` columns of it read at a time."""
    length = file.metadata.row_group(group).num_rows
    slabs = [numbers[first : first + _SLAB] for first in range(0, len(numbers), _SLAB)]
    beside = _group_batches(file, group, start, sides, rows) if sides else None
    with tempfile.TemporaryFile() as scratch:
        for slab in slabs:
            for _, batch in _group_batches(file, group, start, slab, _SLAB_ROWS):
                _matrix(batch, slab).tofile(scratch)
        for first in range(0, length, rows):
            count = min(rows, length - first)
            parts, before = [], 0
            for slab in slabs:
                scratch.seek(4 * (before * length + first * len(slab)))
                part = np.fromfile(scratch, np.float32, count * len(slab))
                parts.append(part.reshape(count, len(slab)))
                before += len(slab)
            held = _lists(next(beside)[1], sides) if beside else {}
            yield Block(start + first, np.hstack(parts), held)


class Feather(_BatchedTable):
    """A Feather (Arrow IPC) file, read by its record batches."""

    def __init__(self, path: Path) -> None:
        with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as file:
            batches = range(file.num_record_batches)
            rows = sum(file.get_batch(number).num_rows for number in batches)
            super().__init__(path, file.schema, rows)

    def _batches(
        self, names: Sequence[str], wanted: np.ndarray | None, rows: int
    ) -> Iterator[tuple[int, pa.RecordBatch]]:
        options = pa.ipc.IpcReadOptions(
            included_fields=[self.schema.get_field_index(name) for name in names],
            use_threads=False,
        )
        with (
            pa.memory_map(str(self.path)) as source,
            pa.ipc.open_file(source, options=options) as file,
        ):
            start = 0
            for number in range(file.num_record_batches):
                batch = file.get_batch(number)
                # pyarrow believes the lengths of texts, and would read elsewhere in memory.
                batch.validate(full=True)
                for first in range(0, batch.num_rows, rows):
                    part = batch.slice(first, rows)
                    if holds(wanted, start + first, part.num_rows):
                        yield start + first, part
                start += batch.num_rows


class Csv(_BatchedTable):
    """A text file with a line of names, its delimiter found out; compressed ones too."""

    def __init__(self, path: Path) -> None:
        with self._opened(path) as file:
            self.encoding = _encoding(path, file.readline())
        with self._opened(path) as file:
            line = io.TextIOWrapper(file, self.encoding).readline().strip("\r\n\ufeff")
        if not line.strip():
            raise CorpusError(f"{path}: line 1: is empty; it must hold the names of the columns")
        self.delimiter = max(_DELIMITERS, key=line.count)
        names = next(csv.reader([line], delimiter=self.delimiter))
        super().__init__(path, pa.schema([(name, pa.null()) for name in names]), None)
        self.schema = self._guessed()

    def _guessed(self) -> pa.Schema:
        """The types of the first rows: numbers are floats, since others may have fractions."""
        with self._opened(self.path) as source, self._reader(source, {}, None) as reader:
            guessed = reader.schema
        is_number = (pa.types.is_integer, pa.types.is_floating, pa.types.is_null)
        return pa.schema(
            [
                field.with_type(pa.float64()) if any(of(field.type) for of in is_number) else field
                for field in guessed
            ]
        )

    def _reader(
        self, source: IO[bytes], types: dict[str, pa.DataType], names: Sequence[str] | None
    ) -> pa.csv.CSVStreamingReader:
        return pa.csv.open_csv(
            source,
            pa.csv.ReadOptions(
                use_threads=False, block_size=_TEXT_BLOCK_BYTES, encoding=self.encoding
            ),
            pa.csv.ParseOptions(delimiter=self.delimiter),
            pa.csv.ConvertOptions(
                column_types=types, include_columns=names, strings_can_be_null=True
            ),
        )

    @staticmethod
    def _opened(path: Path) -> IO[bytes]:
        return _DECOMPRESSORS.get(path.suffix.lower(), _open)(path)  # type: ignore[no-any-return]

    def _batches(
        self, names: Sequence[str], wanted: np.ndarray | None, rows: int
    ) -> Iterator[tuple[int, pa.RecordBatch]]:
        types = {name: self.schema.field(name).type for name in names}
        types |= dict.fromkeys(self._texts, pa.string())
        with (
            self._opened(self.path) as source,
            self._reader(source, types, list(names)) as reader,
        ):
            start = 0
            for batch in reader:
                for first in range(0, batch.num_rows, rows):
                    part = batch.slice(first, rows)
                    if holds(wanted, start + first, part.num_rows):
                        yield start + first, part
                start += batch.num_rows

    _texts: Sequence[str] = ()

    def blocks(
        self, columns: Sequence[int], sides: Sequence[str], wanted: np.ndarray | None = None
    ) -> Iterator[Block]:
        """See `Table.blocks`; sides are read as text."""
        self._texts = tuple(sides)
        return super().blocks(columns, sides, wanted)


def _open(path: Path) -> IO[bytes]:
    return path.open("rb")


def _encoding(path: Path, head: bytes) -> str:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"{path}: line 1: is not UTF-8 ({error}); save the file as UTF-8"
        ) from error
    return "utf-8"
