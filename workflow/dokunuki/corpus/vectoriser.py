"""Raw EMBER rows to feature vectors, a batch at a time.

Written from the format of the release (Anderson and Roth, arXiv 1804.04637) and equal, bit for
bit, to what the release's own code made of its rows with the libraries of its time.
"""

from __future__ import annotations

from functools import cache
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from sklearn.feature_extraction import FeatureHasher
from sklearn.utils import murmurhash3_32

from dokunuki.corpus.layout import DATA_DIRECTORIES, HEADER_NUMBERS, feature_layout
from dokunuki.corpus.validation import GENERAL_NUMBERS, STRING_NUMBERS, Row

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

# The string columns whose names differ from their raw keys, to be unique over all groups.
_STRING_COLUMNS = {
    "entropy": "string_entropy",
    "paths": "paths_count",
    "urls": "urls_count",
    "registry": "registry_count",
    "MZ": "MZ_count",
}

# Bounds the memory, some 100 MB at worst.
_KEPT_HASHES = 1 << 20


def vectorise(rows: Sequence[Row], version: int) -> np.ndarray:
    """Feature vectors of raw rows: float32 (n, 2351) for version 1, (n, 2381) for version 2.

    Columns stand as `feature_layout(version)` names them. The rows must have passed `check_row`.
    """
    batch = _Batch(rows, version)
    if rows:
        batch.histograms()
        batch.strings()
        batch.general()
        batch.header()
        batch.sections()
        batch.imports()
        batch.hash("export", (row["exports"] for row in rows))
        if version == 2:
            batch.directories()
    return batch.X


def entry_name_hashes(rows: Sequence[Row], version: int) -> tuple[slice, np.ndarray]:
    """The columns that hash the entry section's name, and their values, float64 (n, 50).

    The release handed the bare name to scikit-learn, which went through it character by
    character; later versions refuse a bare string, and hashing the whole name instead gives 50
    other numbers.
    """
    names = (list(row["section"]["entry"]) for row in rows)
    return _hashed_words(version, "entry_name", names)


@cache
def _hash_columns(version: int, block: str) -> slice:
    """The columns of a hashed block: as many as the layout has under its name."""
    names = feature_layout(version).names
    start = feature_layout(version).index(f"{block}_hash_0")
    return slice(start, start + sum(name.startswith(f"{block}_hash_") for name in names))


class _Hashes(dict[str, int]):
    """Signed hashes of tokens, kept: most rows import what others did."""

    def __missing__(self, token: str) -> int:
        if len(self) >= _KEPT_HASHES:
            self.clear()
        self[token] = murmurhash3_32(token)
        return self[token]


_hashes = _Hashes()


def _hashed_words(
    version: int, block: str, rows: Iterable[Collection[str]]
) -> tuple[slice, np.ndarray]:
    """The columns of a block, and for each row the sum of its tokens' signs by hash (n, width)."""
    columns = _hash_columns(version, block)
    width = columns.stop - columns.start
    rows = list(rows)
    hashes = np.fromiter(map(_hashes.__getitem__, chain.from_iterable(rows)), np.int64)
    places = np.repeat(np.arange(len(rows)) * width, [len(row) for row in rows])
    places += np.abs(hashes) % width
    signs = np.where(hashes < 0, -1.0, 1.0)
    sums = np.bincount(places, weights=signs, minlength=len(rows) * width)
    return columns, sums.reshape(len(rows), width)


def _hashed_pairs(
    version: int, block: str, rows: Iterable[Iterable[tuple[str, float]]]
) -> tuple[slice, np.ndarray]:
    """The same with a number for each token, which it counts."""
    columns = _hash_columns(version, block)
    # Summed in float64 in the order of the file, as the release did: float32 sums differ.
    hasher = FeatureHasher(columns.stop - columns.start, input_type="pair", dtype=np.float64)
    return columns, hasher.transform(rows).toarray()


def _matrix(rows: Iterable[Iterable[float]], height: int, dtype: type) -> np.ndarray:
    """`height` rows of equal width as an array; numpy takes thrice as long over nested lists."""
    return np.fromiter(chain.from_iterable(rows), dtype).reshape(height, -1)


class _Batch:
    """Fills the columns of one batch, block by block."""

    def __init__(self, rows: Sequence[Row], version: int) -> None:
        self.rows = rows
        self.version = version
        self.layout = feature_layout(version)
        self.X = np.zeros((len(rows), self.layout.width), dtype=np.float32)

    def put(self, names: Iterable[str], values: Iterable[Iterable[float]]) -> None:
        """Store one number per row and named column, through float64 as the release did."""
        self.X[:, self.layout.indices(names)] = _matrix(values, len(self.rows), np.float64)

    def hash(self, block: str, rows: Iterable[Collection[str]]) -> None:
        """Store the hashed tokens of each row in the columns of `block`."""
        columns, values = _hashed_words(self.version, block, rows)
        self.X[:, columns] = values

    def histograms(self) -> None:
        """Counts as shares of their sum, in float32 throughout."""
        for group in ("histogram", "byteentropy"):
            counts = _matrix((row[group] for row in self.rows), len(self.rows), np.float32)
            self.X[:, self.layout.groups[group]] = counts / counts.sum(axis=1, keepdims=True)

    def strings(self) -> None:
        """Numbers of the printable strings, and the share of each printable byte."""
        blocks = [row["strings"] for row in self.rows]
        names = [_STRING_COLUMNS.get(key, key) for key in STRING_NUMBERS]
        self.put(names, ([block[key] for key in STRING_NUMBERS] for block in blocks))
        shares = _matrix((block["printabledist"] for block in blocks), len(blocks), np.float64)
        printables = np.array([block["printables"] for block in blocks], dtype=np.float64)
        shares /= np.where(printables > 0, printables, 1.0)[:, None]
        first = self.layout.index("printabledist_20")
        self.X[:, first : first + shares.shape[1]] = shares

    def general(self) -> None:
        """Sizes, counts and flags of the file as a whole."""
        blocks = (row["general"] for row in self.rows)
        self.put(GENERAL_NUMBERS, ([block[key] for key in GENERAL_NUMBERS] for block in blocks))

    def header(self) -> None:
        """The COFF and the optional header."""
        coff = [row["header"]["coff"] for row in self.rows]
        optional = [row["header"]["optional"] for row in self.rows]
        self.put(["timestamp"], ([block["timestamp"]] for block in coff))
        self.hash("machine", ([block["machine"]] for block in coff))
        self.hash("characteristics", (block["characteristics"] for block in coff))
        self.hash("subsystem", ([block["subsystem"]] for block in optional))
        self.hash("dll_characteristics", (block["dll_characteristics"] for block in optional))
        self.hash("magic", ([block["magic"]] for block in optional))
        self.put(HEADER_NUMBERS, ([block[key] for key in HEADER_NUMBERS] for block in optional))

    def sections(self) -> None:
        """Counts of sections by kind, their sizes and entropies, and the entry section."""
        tables = [row["section"]["sections"] for row in self.rows]
        entries = [row["section"]["entry"] for row in self.rows]
        self.put(
            (
                "num_sections",
                "num_zero_size_sections",
                "num_unnamed_sections",
                "num_read_and_execute_sections",
                "num_write_sections",
            ),
            (
                (
                    len(table),
                    sum(part["size"] == 0 for part in table),
                    sum(part["name"] == "" for part in table),
                    sum(
                        "MEM_READ" in part["props"] and "MEM_EXECUTE" in part["props"]
                        for part in table
                    ),
                    sum("MEM_WRITE" in part["props"] for part in table),
                )
                for table in tables
            ),
        )
        for block, key in (
            ("section_sizes", "size"),
            ("section_entropies", "entropy"),
            ("section_vsizes", "vsize"),
        ):
            pairs = ([(part["name"], part[key]) for part in table] for table in tables)
            columns, values = _hashed_pairs(self.version, block, pairs)
            self.X[:, columns] = values
        columns, values = entry_name_hashes(self.rows, self.version)
        self.X[:, columns] = values
        # Several sections may bear the entry's name: all of them count.
        self.hash(
            "entry_characteristics",
            (
                [prop for part in table if part["name"] == entry for prop in part["props"]]
                for table, entry in zip(tables, entries, strict=True)
            ),
        )

    def imports(self) -> None:
        """Imported libraries, each once whatever its case, and functions with their library."""
        tables = [row["imports"] for row in self.rows]
        self.hash("import_libraries", ({library.lower() for library in table} for table in tables))
        self.hash(
            "import_functions",
            (
                [
                    prefix + function
                    for library, functions in table.items()
                    for prefix in [f"{library.lower()}:"]
                    for function in functions
                ]
                for table in tables
            ),
        )

    def directories(self) -> None:
        """Size and address of the data directories, by position; absent ones stay 0."""
        columns = self.X[:, self.layout.groups["datadirectories"]]
        for target, row in zip(columns, self.rows, strict=True):
            listed = row["datadirectories"][: len(DATA_DIRECTORIES)]
            numbers = [part[key] for part in listed for key in ("size", "virtual_address")]
            target[: len(numbers)] = numbers
