"""From parts of a file to its byte statistics, all of them consistent with one another.

A file is a sequence of parts, each of one kind (`tables.KINDS`). It is drawn as blocks of 1,024
bytes, of which only the counts of the sixteen upper half-bytes are drawn; EMBER's byte-entropy
windows (2,048 bytes, stepping 1,024) are pairs of neighbouring blocks, exactly. The byte
histogram then divides each half-byte's total among its sixteen bytes, so that both histograms
describe the same file. A long part repeats a motif of blocks instead of drawing each, which keeps
the cost independent of the file's size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simember.tables import KIND_INDEX, KINDS

BLOCK = 1024
MOTIF = 10  # distinct whole blocks per part
_SLOTS = MOTIF + 2  # and the partial blocks at both ends

_kinds = list(KINDS.values())
_BYTES = np.stack([kind.bytes for kind in _kinds])
_NIBBLES = _BYTES.reshape(-1, 16, 16).sum(axis=2)
_BLOCK = np.array([kind.block for kind in _kinds])
# A log-normal factor with the relative variance that a Dirichlet distribution would give.
_BLOCK_SIGMA = np.sqrt(np.log1p((1 - _NIBBLES) / (np.maximum(_NIBBLES, 1e-4) * _BLOCK[:, None])))
_BLOCK_SIGMA = np.minimum(_BLOCK_SIGMA, 1.3)
_PART_SIGMA = np.array([kind.part for kind in _kinds])
_BYTE_SIGMA = np.array([kind.byte for kind in _kinds])
_STRINGS = np.array([kind.strings for kind in _kinds])
_LENGTH = np.array([kind.length for kind in _kinds])
_CHARACTERS = np.stack([kind.characters for kind in _kinds])


@dataclass(frozen=True)
class Noise:
    """All the chance in a file's content: standard normal numbers at fixed places.

    Two variants of a program share most of their noise, and so most of their content, even when
    their parts differ in size.
    """

    blocks: np.ndarray  # (parts, slots, 16)
    parts: np.ndarray  # (parts, 16)
    bytes: np.ndarray  # (parts, 256)
    strings: np.ndarray  # (parts, 98)

    @staticmethod
    def draw(rng: np.random.Generator, parts: int) -> Noise:
        """Fresh noise for that many parts; the first parts do not depend on their number."""
        sizes = (_SLOTS * 16, 16, 256, 98)
        flat = rng.standard_normal((parts, sum(sizes)), dtype=np.float32)
        blocks, shares, values, strings = np.split(flat, np.cumsum(sizes)[:-1], axis=1)
        return Noise(blocks.reshape(parts, _SLOTS, 16), shares, values, strings)

    def blend(self, other: Noise, share: float) -> Noise:
        """The same noise with a `share` (0 to 1) of its variance replaced by that of another."""
        own, foreign = np.sqrt(1.0 - share), np.sqrt(share)
        return Noise(
            own * self.blocks + foreign * other.blocks,
            own * self.parts + foreign * other.parts,
            own * self.bytes + foreign * other.bytes,
            own * self.strings + foreign * other.strings,
        )


@dataclass(frozen=True)
class Content:
    """Byte statistics of a file: `parts` (n, 256) are the byte counts of each part."""

    parts: np.ndarray
    histogram: np.ndarray
    byte_entropy: np.ndarray
    strings: int
    characters: np.ndarray  # (96,)


def _whole(expected: np.ndarray) -> np.ndarray:
    """Integers that follow `expected` and keep each row's sum (which must be whole)."""
    edges = np.rint(np.cumsum(expected, axis=-1))
    counts: np.ndarray = np.diff(edges, axis=-1, prepend=0.0).astype(np.int64)
    return counts


def _segments(sizes: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Cut the parts at multiples of 1,024.

    Returns segments, one a row (part, noise slot, bytes, multiplicity, block), and pairs of
    blocks that form a window (first, second, multiplicity). Only whole blocks are paired.
    """
    segments: list[tuple[int, int, int, int, int]] = []
    pairs: list[tuple[int, int, int]] = []
    block = 0  # the block being filled
    filled = 0
    for part, size in enumerate(sizes):
        if filled:
            head = min(size, BLOCK - filled)
            segments.append((part, 0, head, 1, block))
            filled += head
            size -= head
            if filled < BLOCK:
                continue
            if block:
                pairs.append((block - 1, block, 1))
            block, filled = block + 1, 0
        whole, tail = divmod(size, BLOCK)
        if whole:
            motif = min(whole, MOTIF)
            repeats, single = divmod(whole, motif)
            for slot in range(single):
                segments.append((part, 1 + slot, BLOCK, 1, block))
                if block:
                    pairs.append((block - 1, block, 1))
                block += 1
            first = block
            for slot in range(motif):
                segments.append((part, 1 + slot, BLOCK, repeats, block))
                if block:
                    pairs.append((block - 1, block, repeats if slot else 1))
                block += 1
            if repeats > 1:
                pairs.append((block - 1, first, repeats - 1))
        if tail:
            segments.append((part, MOTIF + 1, tail, 1, block))
            filled = tail
    return np.array(segments), np.array(pairs, dtype=np.int64).reshape(-1, 3)


def _entropy(counts: np.ndarray) -> np.ndarray:
    """Shannon entropy in bits of each row of counts."""
    shares = counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1)
    logs = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    return np.asarray(-(shares * logs).sum(axis=-1))


def entropy(counts: np.ndarray) -> float:
    """Shannon entropy in bits of counts."""
    return max(0.0, float(_entropy(counts[None, :])[0]))


def _byte_entropy(blocks: np.ndarray, pairs: np.ndarray, size: int) -> np.ndarray:
    """EMBER's byte-entropy histogram (256,): entropy bin by upper half-byte."""
    histogram = np.zeros((16, 16), dtype=np.int64)
    if size < 2 * BLOCK:  # one window, whatever its size
        windows, repeats = blocks.sum(axis=0, keepdims=True), np.ones(1, dtype=np.int64)
    else:
        windows, repeats = blocks[pairs[:, 0]] + blocks[pairs[:, 1]], pairs[:, 2]
    bins = np.minimum((_entropy(windows) * 4.0).astype(np.int64), 15)
    np.add.at(histogram, bins, windows * repeats[:, None])
    return histogram.ravel()


def draw_content(kinds: np.ndarray, sizes: list[int], noise: Noise) -> Content:
    """Byte statistics of the file made of parts of these kinds (indices) and sizes (bytes).

    Every size must be positive; the noise must be for as many parts.
    """
    number = len(sizes)
    segments, pairs = _segments(sizes)
    part, slot, length, repeats, block = segments.T
    kind = kinds[part]
    weights = _NIBBLES[kind] * np.exp(
        _BLOCK_SIGMA[kind] * noise.blocks[part, slot]
        + _PART_SIGMA[kind][:, None] * noise.parts[part]
    )
    weights *= (length / weights.sum(axis=1))[:, None]
    counts = _whole(weights)

    starts = np.flatnonzero(np.diff(block, prepend=-1))
    blocks = np.add.reduceat(counts, starts, axis=0)
    if blocks[-1].sum() < BLOCK:  # an unfinished block belongs to no window
        pairs = pairs[pairs[:, 1] < len(blocks) - 1]
    byte_entropy = _byte_entropy(blocks, pairs, sum(sizes))

    nibbles = np.zeros((number, 16), dtype=np.int64)
    np.add.at(nibbles, part, counts * repeats[:, None])
    expected = _BYTES[kinds] * np.array(sizes)[:, None]
    sigma = np.sqrt(np.log1p(1.0 / np.maximum(expected, 0.7)) + _BYTE_SIGMA[kinds][:, None] ** 2)
    within = (_BYTES[kinds] * np.exp(sigma * noise.bytes[:number])).reshape(number, 16, 16)
    within *= (nibbles / np.maximum(within.sum(axis=2), 1e-300))[:, :, None]
    parts = _whole(within).reshape(number, 256)
    histogram = parts.sum(axis=0)

    rate = _STRINGS[kinds] * np.exp(0.2 * noise.strings[:number, 0])
    length_mean = 5.0 + (_LENGTH[kinds] - 5.0) * np.exp(0.2 * noise.strings[:number, 1])
    strings = rate * np.array(sizes) / BLOCK
    total = np.minimum(strings * length_mean, np.array(sizes) * 0.97)
    spread = np.sqrt(np.log1p(1.0 / np.maximum(total[:, None] * _CHARACTERS[kinds], 0.7)) + 0.02)
    characters = _CHARACTERS[kinds] * np.exp(spread * noise.strings[:number, 2:])
    characters *= (total / characters.sum(axis=1))[:, None]
    printable = np.minimum(np.rint(characters.sum(axis=0)).astype(np.int64), histogram[32:128])
    count = min(round(float(strings.sum())), int(printable.sum()) // 5)
    return Content(parts, histogram, byte_entropy, count, printable)


def kind_indices(names: list[str]) -> np.ndarray:
    """The indices of kinds by name."""
    return np.array([KIND_INDEX[name] for name in names], dtype=np.int64)
