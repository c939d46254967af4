"""A batch of raw rows on its way to feature vectors: what all feature versions do alike.

Tokens are hashed as scikit-learn's FeatureHasher does, which the releases used. Lone surrogates,
which it refuses, are hashed too.
"""

from __future__ import annotations

import struct
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from sklearn.feature_extraction import FeatureHasher
from sklearn.utils import murmurhash3_32

from dokunuki.corpus.columns import PRINTABLE
from dokunuki.corpus.layout import FeatureLayout, feature_layout

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from dokunuki.corpus.validation import Row

# Bounds the memory, some 100 MB at worst.
_KEPT_HASHES = 1 << 20
# An empty table takes the memory of so many.
_TABLE_HASHES = 4
# Below it float64 holds every whole number.
_WHOLE = 2.0**53


class Batch:
    """The vectors of some rows, float32 (n, width), filled block by block."""

    def __init__(self, rows: Sequence[Row], version: int) -> None:
        self.rows = rows
        self.layout = feature_layout(version)
        self.X = np.zeros((len(rows), self.layout.width), dtype=np.float32)

    def put(self, names: Iterable[str], values: Iterable[Iterable[float]]) -> None:
        """Store one number per row and named column, through float64 as the release did."""
        self.X[:, self.layout.indices(names)] = matrix(values, len(self.rows), np.float64)

    def hash(self, block: str, rows: Iterable[Collection[str]], *, signed: bool = True) -> None:
        """Store the hashed tokens of each row in the columns of `block`."""
        columns = hash_columns(self.layout, block)
        self.X[:, columns] = hashed_words(columns.stop - columns.start, rows, signed=signed)

    def hash_pairs(self, block: str, rows: Iterable[Iterable[tuple[str, float]]]) -> None:
        """The same with a number for each token, which it counts."""
        columns = hash_columns(self.layout, block)
        self.X[:, columns] = _hashed_pairs(columns.stop - columns.start, map(list, rows))

    def hash_tables(
        self, names: Sequence[str], lengths: Sequence[int], numbers: Mapping[str, np.ndarray]
    ) -> None:
        """Store what `hash_pairs` would, for blocks whose tokens are the same.

        `names` are the tokens of all rows, of which row i has `lengths[i]`. `numbers` float64 are
        those of each block, one a token.
        """
        hashes = _hashes_of(names)
        signs = np.where(hashes < 0, -1.0, 1.0)
        for block, values in numbers.items():
            columns = hash_columns(self.layout, block)
            width = columns.stop - columns.start
            self.X[:, columns] = _summed(width, lengths, hashes, signs * values)
            # Two numbers have one sum. The release summed more of them in an order of its own,
            # which shows where a sum is rounded.
            if (values % 1).any() or values.sum() >= _WHOLE:
                met = _summed(width, lengths, hashes, None).max(axis=1, initial=0)
                ends = np.cumsum(lengths)
                for row in np.flatnonzero(met > 2).tolist():
                    own = slice(ends[row] - lengths[row], ends[row])
                    pairs = zip(names[own], values[own].tolist(), strict=True)
                    self.X[row, columns] = _hashed_pairs(width, [list(pairs)])

    def histograms(self) -> None:
        """Counts as shares of their sum, in float32 throughout."""
        for group in ("histogram", "byteentropy"):
            numbers = chain.from_iterable(row[group] for row in self.rows)
            counts = whole_numbers(numbers, np.float32).reshape(len(self.rows), -1)
            self.X[:, self.layout.groups[group]] = counts / counts.sum(axis=1, keepdims=True)

    def printable_shares(self) -> None:
        """The share of each printable byte among those of the strings."""
        blocks = [row["strings"] for row in self.rows]
        numbers = chain.from_iterable(block["printabledist"] for block in blocks)
        shares = whole_numbers(numbers, np.float64).reshape(len(blocks), -1)
        printables = np.array([block["printables"] for block in blocks], dtype=np.float64)
        shares /= np.where(printables > 0, printables, 1.0)[:, None]
        self.X[:, self.layout.indices(name for name, _ in PRINTABLE)] = shares


def matrix(
    rows: Iterable[Iterable[float]], height: int, dtype: type, width: int = -1
) -> np.ndarray:
    """`height` rows of equal width as an array; numpy takes thrice as long over nested lists.

    The `width` need not be told unless there are no rows.
    """
    return np.fromiter(chain.from_iterable(rows), dtype).reshape(height, width)


def whole_numbers(numbers: Iterable[float], dtype: type) -> np.ndarray:
    """Numbers, whole ones as a rule, as an array of a floating type, through float64.

    Packing them as 64-bit integers takes half as long as `numpy.fromiter` does.
    """
    held = list(numbers)
    try:
        packed = struct.pack(f"{len(held)}q", *held)
    except struct.error:  # a fraction, or too large
        return np.array(held, dtype=np.float64).astype(dtype)
    return np.frombuffer(packed, np.int64).astype(np.float64).astype(dtype)


def hash_columns(layout: FeatureLayout, block: str) -> slice:
    """The columns of a hashed block: as many as the layout has under its name."""
    return _hash_columns(layout.names, block)


@cache
def _hash_columns(names: tuple[str, ...], block: str) -> slice:
    start = names.index(f"{block}_hash_0")
    return slice(start, start + sum(name.startswith(f"{block}_hash_") for name in names))


class _Hashes(dict[str, int]):
    """Signed hashes of tokens behind a prefix, kept: most rows import what others did.

    All tables are let go of at once when they hold too many hashes together.
    """

    __slots__ = ("_prefix",)

    _tables: ClassVar[dict[str, _Hashes]] = {}
    _kept: ClassVar[int] = 0

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    @classmethod
    def behind(cls, prefix: str) -> _Hashes:
        """The table of a prefix: a token's hash in it is that of both together."""
        try:
            return cls._tables[prefix]
        except KeyError:
            cls._note_kept(_TABLE_HASHES)
            return cls._tables.setdefault(prefix, cls(prefix))

    @classmethod
    def _note_kept(cls, number: int) -> None:
        cls._kept += number
        if cls._kept > _KEPT_HASHES:
            for table in cls._tables.values():
                table.clear()
            cls._tables.clear()
            cls._kept = number

    def __missing__(self, token: str) -> int:
        self._note_kept(1)
        # Without a prefix as it is: a name of bytes comes as numbers, which hash too.
        word = self._prefix + token if self._prefix else token
        try:
            found: int = murmurhash3_32(word)
        except UnicodeEncodeError:
            found = murmurhash3_32(_bytes(word))
        self[token] = found
        return found


def _bytes(token: str) -> bytes:
    """What is hashed of a token: UTF-8, and for a lone surrogate what UTF-8 would be if it had one.

    scikit-learn, and so the releases' own code, fails on such tokens and tells no hash of them.
    """
    return token.encode("utf-8", "surrogatepass")


def hashed_words(width: int, rows: Iterable[Collection[str]], *, signed: bool = True) -> np.ndarray:
    """For each row the sum of its tokens' signs by hash, float64 (n, width).

    Unless `signed`, the tokens are counted.
    """
    rows = list(rows)
    hashes = _hashes_of(chain.from_iterable(rows))
    weights = np.where(hashes < 0, -1.0, 1.0) if signed else None
    return _summed(width, [len(row) for row in rows], hashes, weights)


def _hashed_pairs(width: int, rows: Iterable[list[tuple[str, float]]]) -> np.ndarray:
    # Summed in float64 in the order of the file, as the release did: float32 sums differ.
    hasher = FeatureHasher(width, input_type="pair", dtype=np.float64)
    held = list(rows)
    try:
        hashed = hasher.transform(held)
    except UnicodeEncodeError:
        hashed = hasher.transform([[(_bytes(word), n) for word, n in row] for row in held])
    sums: np.ndarray = hashed.toarray()
    return sums


def hashed_functions(width: int, rows: Iterable[Mapping[str, Collection[str]]]) -> np.ndarray:
    """For each row the sum of the signs of its words `key:value`, keys in lower case, by hash.

    float64 (n, width). The words are never put together but for the first of their kind.
    """
    rows = list(rows)
    hashes = np.fromiter(
        chain.from_iterable(
            map(_Hashes.behind(f"{key.lower()}:").__getitem__, values)
            for row in rows
            for key, values in row.items()
        ),
        np.int64,
    )
    lengths = [sum(map(len, row.values())) for row in rows]
    return _summed(width, lengths, hashes, np.where(hashes < 0, -1.0, 1.0))


def hashed_numbers(
    width: int, words: Iterable[str], numbers: Iterable[float], lengths: Sequence[int]
) -> np.ndarray:
    """For each row the signed sum of its tokens' whole numbers by hash, float64 (n, width).

    `words` and `numbers` are those of all rows, of which row i has `lengths[i]`. Whole numbers
    below 2^53 give the same sum in any order, which saves FeatureHasher's sorting.
    """
    hashes = _hashes_of(words)
    weights = np.fromiter(numbers, np.float64) * np.where(hashes < 0, -1.0, 1.0)
    return _summed(width, lengths, hashes, weights)


def _hashes_of(words: Iterable[str]) -> np.ndarray:
    return np.fromiter(map(_Hashes.behind("").__getitem__, words), np.int64)


def _summed(
    width: int, lengths: Sequence[int], hashes: np.ndarray, weights: np.ndarray | None
) -> np.ndarray:
    places = np.repeat(np.arange(len(lengths)) * width, lengths)
    places += np.abs(hashes) % width
    sums = np.bincount(places, weights=weights, minlength=len(lengths) * width)
    return sums.reshape(len(lengths), width)
