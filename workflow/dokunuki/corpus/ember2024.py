"""Raw rows of feature version 3 (EMBER2024) to feature vectors.

Written from the format of the release (Joyce et al., KDD 2025, arXiv 2506.05074), and equal, bit
for bit, to what the release's own code makes of its rows. Its slips are kept, so that a detector
trained elsewhere sees the same numbers; docs/corpora.md lists them.
"""

from __future__ import annotations

from functools import cache
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

from dokunuki.corpus.batch import Batch, hash_columns, hashed_numbers, matrix
from dokunuki.corpus.ember2024_layout import (
    AUTHENTICODE,
    COFF_NUMBERS,
    OPTIONAL_NUMBERS,
    SECTION_NUMBERS,
    names,
)
from dokunuki.corpus.layout import feature_layout

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from dokunuki.corpus.validation import Row

    Block = dict[str, Any]

_STRING_NUMBERS = ("numstrings", "avlength", "printables", "entropy")
_PREFIXES = {"machine": "IMAGE_FILE_MACHINE_", "subsystem": "IMAGE_SUBSYSTEM_"}
# What the release wrote in place of the number of exports, where there are any.
_EXPORTS_WIDTH = 128


def vectorise(rows: Sequence[Row]) -> np.ndarray:
    """Feature vectors of raw rows of version 3: float32 (n, 2568).

    The rows must have passed `check_row`. Files that are no Windows programs have empty blocks,
    whose columns are 0.
    """
    batch = _Batch(rows, 3)
    if rows:
        batch.general()
        batch.histograms()
        batch.strings()
        batch.header()
        batch.sections()
        batch.imports()
        batch.exports()
        batch.directories()
        batch.rich_header()
        batch.authenticode()
        batch.warnings()
    return batch.X


@cache
def _codes(key: str) -> dict[str, int]:
    """The code of each machine or subsystem by its name in a row; all others have 0."""
    known = {"machine": names().machines, "subsystem": names().subsystems}[key]
    return {_PREFIXES[key] + name: code for code, name in enumerate(known)}


@cache
def _string_columns() -> dict[str, int]:
    """The column of each pattern by its name in a row."""
    return {name: _index(f"string_count_{name}") for name in names().string_counts}


@cache
def _flag_columns(prefix: str) -> dict[str, int]:
    """The column of each COFF or DLL characteristic by its name in a row."""
    known = {"coff": names().coff_flags, "dll": names().dll_flags}[prefix]
    return {name: _index(f"{prefix}_{name.lower()}") for name in known}


@cache
def _warning_columns() -> dict[str, int]:
    """The column of each warning by its text in a row."""
    return {text: _index(f"pefile_warning_{k:02d}") for k, text in enumerate(names().warnings)}


def _index(name: str) -> int:
    return feature_layout(3).index(name)


class _Batch(Batch):
    """Fills the columns of one batch, block by block."""

    def put_where(
        self, held: np.ndarray, names: Iterable[str], values: Iterable[Iterable[float]]
    ) -> None:
        """Store one number per named column in the rows at the positions `held`."""
        columns = self.layout.indices(names)
        self.X[held[:, None], columns] = matrix(values, len(held), np.float64, len(columns))

    def mark(self, held: Iterable[int], columns: dict[str, int], rows: Iterable[list[str]]) -> None:
        """Set the flags whose names are listed; a name without a column says nothing."""
        places = [
            (place, columns[name])
            for place, listed in zip(held, rows, strict=True)
            for name in listed
            if name in columns
        ]
        if places:
            self.X[tuple(np.array(places).T)] = 1

    def blocks(self, key: str) -> tuple[np.ndarray, list[Any]]:
        """The positions of the rows that have something in a block, and what they have there."""
        held = [place for place, row in enumerate(self.rows) if row[key]]
        return np.array(held, dtype=np.int64), [self.rows[place][key] for place in held]

    def general(self) -> None:
        """Size, entropy, whether it is a program for Windows, and its first bytes."""
        columns = self.layout.names[self.layout.groups["general"]]
        blocks = (row["general"] for row in self.rows)
        self.put(
            columns,
            (
                (block["size"], block["entropy"], block["is_pe"], *block["start_bytes"])
                for block in blocks
            ),
        )

    def strings(self) -> None:
        """Numbers of the printable strings, and how many of them match each pattern."""
        blocks = [row["strings"] for row in self.rows]
        self.put(
            ("numstrings", "avlength", "printables", "string_entropy"),
            ([block[key] for key in _STRING_NUMBERS] for block in blocks),
        )
        self.printable_shares()
        columns = _string_columns()
        for vector, block in zip(self.X, blocks, strict=True):
            for name, count in block["string_counts"].items():
                vector[columns[name]] = count

    def header(self) -> None:
        """The COFF header, the optional and the DOS header."""
        held, blocks = self.blocks("header")
        coff = [block["coff"] for block in blocks]
        optional = [block["optional"] for block in blocks]
        known = names()
        codes = [
            [_codes(key).get(block[key], 0) for block in part]
            for key, part in (("machine", coff), ("subsystem", optional))
        ]
        self.put_where(held, ("machine", "subsystem"), zip(*codes, strict=True))
        for keys, part in (
            (COFF_NUMBERS, coff),
            (OPTIONAL_NUMBERS, optional),
            (known.dos_members, [block["dos"] for block in blocks]),
        ):
            self.put_where(held, keys, map(itemgetter(*keys), part))
        self.mark(held, _flag_columns("coff"), (part["characteristics"] for part in coff))
        self.mark(held, _flag_columns("dll"), (part["dll_characteristics"] for part in optional))

    def sections(self) -> None:
        """Counts of sections by kind, their sizes and entropies, the entry section, the overlay."""
        held, blocks = self.blocks("section")
        self.put_where(held, (name for name, _ in SECTION_NUMBERS), map(_section_numbers, blocks))
        overlays = (block["overlay"] for block in blocks)
        self.put_where(
            held,
            ("overlay_size", "overlay_size_ratio", "overlay_entropy"),
            map(itemgetter("size", "size_ratio", "entropy"), overlays),
        )
        tables = [row["section"].get("sections", []) for row in self.rows]
        lengths = [len(table) for table in tables]
        words = [part["name"] for part in chain.from_iterable(tables)]
        for hashed, key in (("section_sizes", "size"), ("section_vsizes", "vsize")):
            columns = hash_columns(self.layout, hashed)
            numbers = (part[key] for part in chain.from_iterable(tables))
            width = columns.stop - columns.start
            self.X[:, columns] = hashed_numbers(width, words, numbers, lengths)
        self.hash_pairs(
            "section_entropies",
            ([(part["name"], part["entropy"]) for part in table] for table in tables),
        )
        self.hash(
            "section_characteristics",
            (
                [f"{part['name']}:{prop}" for part in table for prop in part["props"]]
                for table in tables
            ),
        )
        # Whole: version 2 hashes the name by its characters.
        self.hash(
            "entry_name",
            ([row["section"]["entry"]] if row["section"] else [] for row in self.rows),
        )

    def imports(self) -> None:
        """Imported libraries, each once whatever its case, and functions with their library."""
        tables = [row["imports"] for row in self.rows]
        libraries = [{library.lower() for library in table} for table in tables]
        functions = [
            [
                prefix + function
                for library, listed in table.items()
                for prefix in [f"{library.lower()}:"]
                for function in listed
            ]
            for table in tables
        ]
        self.put(
            ("num_imported_functions", "num_imported_libraries"),
            zip(map(len, functions), map(len, libraries), strict=True),
        )
        self.hash("import_libraries", libraries, signed=False)
        self.hash("import_functions", functions, signed=False)

    def exports(self) -> None:
        """Exported functions; their number was meant, and is not what the first column holds."""
        listed = [row["exports"] for row in self.rows]
        self.X[:, self.layout.index("exports_width")] = [
            _EXPORTS_WIDTH if exports else 0 for exports in listed
        ]
        self.hash("export", listed)

    def directories(self) -> None:
        """Size and address of the data directories by name, and what is said before them.

        The last of the list is left out, as the release did.
        """
        columns = {
            name: self.layout.index(f"{name.lower()}_directory_size")
            for name in names().directories
        }
        held, blocks = self.blocks("datadirectories")
        for place, listed in zip(held, blocks, strict=True):
            vector = self.X[place]
            for part in listed[1:-1]:
                column = columns[part["name"]]
                vector[column] = part["size"]
                vector[column + 1] = part["virtual_address"]
        self.put_where(
            held,
            ("has_relocs", "has_dynamic_relocs"),
            (itemgetter("has_relocs", "has_dynamic_relocs")(listed[0]) for listed in blocks),
        )

    def rich_header(self) -> None:
        """The pairs of the Rich header: what built a part of the program, and how many parts."""
        # A number without its pair, at the end, is left out.
        pairs = [row["richheader"][: len(row["richheader"]) // 2 * 2] for row in self.rows]
        lengths = [len(listed) // 2 for listed in pairs]
        self.X[:, self.layout.index("num_rich_pairs")] = lengths
        columns = hash_columns(self.layout, "rich_pairs")
        self.X[:, columns] = hashed_numbers(
            columns.stop - columns.start,
            map(str, chain.from_iterable(listed[::2] for listed in pairs)),
            chain.from_iterable(listed[1::2] for listed in pairs),
            lengths,
        )

    def authenticode(self) -> None:
        """What the signatures are like."""
        held, blocks = self.blocks("authenticode")
        keys = [key for key, _ in AUTHENTICODE]
        self.put_where(held, keys, map(itemgetter(*keys), blocks))

    def warnings(self) -> None:
        """Which warnings pefile gave, and how many."""
        listed = [row["pefilewarnings"] for row in self.rows]
        self.mark(range(len(listed)), _warning_columns(), listed)
        self.X[:, self.layout.index("num_pefile_warnings")] = [len(given) for given in listed]


def _section_numbers(block: Block) -> tuple[float, ...]:
    table, overlay = block["sections"], block["overlay"]
    props = [part["props"] for part in table]
    # The release put a 0 into each list, so that the least is 0 unless it is negative.
    entropies = [0, overlay["entropy"], *(part["entropy"] for part in table)]
    size_ratios = [0, overlay["size_ratio"], *(part["size_ratio"] for part in table)]
    vsize_ratios = [0, *(part["vsize_ratio"] for part in table)]
    return (
        len(table),
        sum(part["size"] == 0 for part in table),
        sum(part["name"] == "" for part in table),
        sum("MEM_READ" in listed and "MEM_EXECUTE" in listed for listed in props),
        sum("MEM_WRITE" in listed for listed in props),
        *(
            bound(numbers)
            for numbers in (entropies, size_ratios, vsize_ratios)
            for bound in (max, min)
        ),
    )
