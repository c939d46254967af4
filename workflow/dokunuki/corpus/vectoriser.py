"""Raw EMBER rows to feature vectors, a batch at a time.

Written from the format of the release (Anderson and Roth, arXiv 1804.04637) and equal, bit for
bit, to what the release's own code made of its rows with the libraries of its time.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from dokunuki.corpus import ember2024
from dokunuki.corpus.batch import Batch, hash_columns, hashed_functions, hashed_words
from dokunuki.corpus.layout import DATA_DIRECTORIES, HEADER_NUMBERS
from dokunuki.corpus.validation import GENERAL_NUMBERS, STRING_NUMBERS, Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dokunuki.corpus.layout import FeatureLayout

# The string columns whose names differ from their raw keys, to be unique over all groups.
_STRING_COLUMNS = {
    "entropy": "string_entropy",
    "paths": "paths_count",
    "urls": "urls_count",
    "registry": "registry_count",
    "MZ": "MZ_count",
}
_SECTION_NUMBERS = (
    ("section_sizes", "size"),
    ("section_entropies", "entropy"),
    ("section_vsizes", "vsize"),
)


def vectorise(rows: Sequence[Row], version: int) -> np.ndarray:
    """Feature vectors of raw rows: float32 (n, width), 2351 wide, 2381 or 2568 by version.

    Columns stand as `feature_layout(version)` names them. The rows must have passed `check_row`.
    """
    if version == 3:
        return ember2024.vectorise(rows)
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


def entry_name_hashes(rows: Sequence[Row], layout: FeatureLayout) -> tuple[slice, np.ndarray]:
    """The columns that hash the entry section's name, and their values, float64 (n, 50).

    The release handed the bare name to scikit-learn, which went through it character by
    character; later versions refuse a bare string, and hashing the whole name instead gives 50
    other numbers.
    """
    columns = hash_columns(layout, "entry_name")
    names = (list(row["section"]["entry"]) for row in rows)
    return columns, hashed_words(columns.stop - columns.start, names)


class _Batch(Batch):
    """Fills the columns of one batch, block by block."""

    def strings(self) -> None:
        """Numbers of the printable strings, and the share of each printable byte."""
        blocks = [row["strings"] for row in self.rows]
        names = [_STRING_COLUMNS.get(key, key) for key in STRING_NUMBERS]
        self.put(names, ([block[key] for key in STRING_NUMBERS] for block in blocks))
        self.printable_shares()

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
        parts = list(chain.from_iterable(tables))
        self.hash_tables(
            [part["name"] for part in parts],
            [len(table) for table in tables],
            {
                block: np.array([part[key] for part in parts], dtype=np.float64)
                for block, key in _SECTION_NUMBERS
            },
        )
        columns, values = entry_name_hashes(self.rows, self.layout)
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
        columns = hash_columns(self.layout, "import_functions")
        self.X[:, columns] = hashed_functions(columns.stop - columns.start, tables)

    def directories(self) -> None:
        """Size and address of the data directories, by position; absent ones stay 0."""
        columns = self.X[:, self.layout.groups["datadirectories"]]
        for target, row in zip(columns, self.rows, strict=True):
            listed = row["datadirectories"][: len(DATA_DIRECTORIES)]
            numbers = [part[key] for part in listed for key in ("size", "virtual_address")]
            target[: len(numbers)] = numbers
