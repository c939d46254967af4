"""A batch of raw rows on its way to feature vectors: what all feature versions do alike.

Tokens are hashed as scikit-learn's FeatureHasher does, which the releases used. Lone surrogates,
which it refuses, are hashed too.
"""

from __future__ import annotations

from functools import cache
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from sklearn.feature_extraction import FeatureHasher
from sklearn.utils import murmurhash3_32

from dokunuki.corpus.columns import PRINTABLE
from dokunuki.corpus.layout import FeatureLayout, feature_layout

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from dokunuki.corpus.validation import Row

# Bounds the memory, some 100 MB at worst.
_KEPT_HASHES = 1 << 20


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
        # Summed in float64 in the order of the file, as the release did: float32 sums differ.
        hasher = FeatureHasher(columns.stop - columns.start, input_type="pair", dtype=np.float64)
        held = [list(row) for row in rows]
        try:
            hashed = hasher.transform(held)
        except UnicodeEncodeError:
            hashed = hasher.transform([[(_bytes(word), n) for word, n in row] for row in held])
        self.X[:, columns] = hashed.toarray()

    def histograms(self) -> None:
        """Counts as shares of their sum, in float32 throughout."""
        for group in ("histogram", "byteentropy"):
            counts = matrix((row[group] for row in self.rows), len(self.rows), np.float32)
            self.X[:, self.layout.groups[group]] = counts / counts.sum(axis=1, keepdims=True)

    def printable_shares(self) -> None:
        """The share of each printable byte among those of the strings."""
        blocks = [row["strings"] for row in self.rows]
        shares = matrix((block["printabledist"] for block in blocks), len(blocks), np.float64)
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


def hash_columns(layout: FeatureLayout, block: str) -> slice:
    """The columns of a hashed block: as many as the layout has under its name."""
    return _hash_columns(layout.names, block)


@cache
def _hash_columns(names: tuple[str, ...], block: str) -> slice:
    start = names.index(f"{block}_hash_0")
    return slice(start, start + sum(name.startswith(f"{block}_hash_") for name in names))


class _Hashes(dict[str, int]):
    """Signed hashes of tokens, kept: most rows import what others did."""

    def __missing__(self, token: str) -> int:
        if len(self) >= _KEPT_HASHES:
            self.clear()
        try:
            self[token] = murmurhash3_32(token)
        except UnicodeEncodeError:
            self[token] = murmurhash3_32(_bytes(token))
        return self[token]


_hashes = _Hashes()


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
    return np.fromiter(map(_hashes.__getitem__, words), np.int64)


def _summed(
    width: int, lengths: Sequence[int], hashes: np.ndarray, weights: np.ndarray | None
) -> np.ndarray:
    places = np.repeat(np.arange(len(lengths)) * width, lengths)
    places += np.abs(hashes) % width
    sums = np.bincount(places, weights=weights, minlength=len(lengths) * width)
    return sums.reshape(len(lengths), width)
