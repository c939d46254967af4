"""The columns of an index while a scan fills them: compact, and no Python object a row."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from dokunuki.corpus.protocol import IndexEntry

ARRAYS = {
    "digest": np.uint8,
    "label": np.int8,
    "appeared": np.int32,
    "avclass": np.int32,
    "week": np.int16,
    "file": np.int16,
    "line": np.int64,
    "offset": np.int64,
    "length": np.int64,
    "checksum": np.uint32,
}
"""The arrays of an index, and their types."""

TEXTS = {"appeared": "dates", "avclass": "families", "week": "weeks", "file": "files"}
"""The arrays that hold positions in texts, and what the index calls these texts."""


class IndexColumns:
    """Grows one compact column per field of an entry: no Python object is kept per row."""

    def __init__(self) -> None:
        self.digest = bytearray()
        self.label = array("b")
        self.appeared = array("i")
        self.avclass = array("i")
        self.week = array("h")
        self.file = array("h")
        self.line = array("q")
        self.offset = array("q")
        self.length = array("q")
        self.checksum = array("I")
        self.texts: dict[str, dict[str, int]] = {name: {} for name in TEXTS}

    def __len__(self) -> int:
        return len(self.label)

    def add(self, row: IndexEntry) -> None:
        """Take one row."""
        self.digest += row.digest
        self.label.append(row.label)
        self.appeared.append(self._position("appeared", row.appeared))
        self.avclass.append(self._position("avclass", row.avclass))
        self.week.append(self._position("week", row.week))
        self.file.append(self._position("file", row.file))
        self.line.append(row.line)
        self.offset.append(row.offset)
        self.length.append(row.length)
        self.checksum.append(row.checksum)

    def extend(self, other: IndexColumns) -> None:
        """Take all rows of other columns, in their order."""
        for name in ARRAYS:
            column, more = getattr(self, name), getattr(other, name)
            if name in TEXTS and len(more):
                known = [self._position(name, text) for text in other.texts[name]]
                places = np.array(known, dtype=ARRAYS[name])
                column.frombytes(places[np.frombuffer(more, dtype=ARRAYS[name])].tobytes())
            else:
                column.extend(more)

    def move_lines(self, lines: int) -> None:
        """Count the lines of all rows from a place that is so many lines earlier."""
        if lines and len(self):
            self.line = array("q", (np.frombuffer(self.line, dtype=np.int64) + lines).tobytes())

    def take(self, name: str) -> np.ndarray:
        """A column as an array, which alone holds it from now on."""
        column = np.frombuffer(getattr(self, name), dtype=ARRAYS[name])
        delattr(self, name)
        return column

    def _position(self, field: str, text: str) -> int:
        known = self.texts[field]
        return known.setdefault(text, len(known))
