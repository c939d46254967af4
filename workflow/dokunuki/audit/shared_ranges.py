"""Narrow ranges that the same goodware rows share: a trigger whose values jitter.

An attacker may add noise to a trigger, or round it otherwise in each row. No two rows then share a
value, but in each of the trigger's columns they lie together: a *spot*, where goodware is far
denser than on both sides of it. Spots are found column by column by a scan statistic (Kulldorff,
"A spatial scan statistic", 1997; here on a line, against the nearest surroundings). As with exact
values, spots of several columns that hold nearly the same rows make a group.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dokunuki.audit.settings import JACCARD, LEAST_SPOT, SPOT_EVIDENCE
from dokunuki.audit.shared_values import Items, column_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator

SHARED_RANGES = "shared ranges"

# Windows grow by this much from one size to the next, and so hold a spot of any size nearly alone.
_GROWTH = 1.15
_BACKGROUND = 0.25


@dataclass(frozen=True)
class Spots(Items):
    """Items that are ranges: from `low` to `high`, both float32 (items,) and part of the range.

    `values` are the middle one of the values that rows hold in each.
    """

    low: np.ndarray
    high: np.ndarray


def spots_of(X: np.ndarray, rows: np.ndarray, least: int, most: int) -> Spots:
    """The spots of the columns of X float32 (n, width) in which at least `least` of `rows` lie.

    `rows` int64 (g,) are positions. At most `most` of them lie in a spot; a value by itself that
    most of a spot's rows hold makes no spot.
    """
    from scipy.sparse import csr_array

    least = max(least, LEAST_SPOT)
    found = [
        (start + place, held, first, last, np.sort(order[first:last]))
        for start, part in column_blocks(X, rows)
        for place, column in enumerate(part)
        for order in [np.argsort(column, kind="stable")]
        for held in [column[order]]
        for first, last in dense_spots(held, least, most)
    ]
    holding = [positions for *_, positions in found]
    support = np.array([len(positions) for positions in holding], dtype=np.int64)
    numbers = np.repeat(np.arange(len(found), dtype=np.int32), support)
    places = np.concatenate([*holding, np.empty(0, np.int64)]).astype(np.int32), numbers
    return Spots(
        csr_array((np.ones(len(numbers), np.float32), places), shape=(len(rows), len(found))),
        np.array([column for column, *_ in found], dtype=np.int64),
        np.array([held[(first + last) // 2] for _, held, first, last, _ in found], np.float32),
        support,
        np.array([held[first] for _, held, first, *_ in found], dtype=np.float32),
        np.array([held[last - 1] for _, held, _, last, _ in found], dtype=np.float32),
    )


def dense_spots(held: np.ndarray, least: int, most: int) -> Iterator[tuple[int, int]]:
    """Spots of sorted values (g,), the densest first: the first value's place, and the last's + 1.

    A window of values is compared with the windows of its width on both sides. The denser of these
    counts, so that the end of a column's values is not a spot. The log likelihood ratio compares
    the number of values inside with a third of those in three windows, which an even density would
    put there. No two spots overlap.
    """
    if held[0] == held[-1]:
        return
    tried: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    size = least
    while size <= min(most, len(held)):
        low, high = held[: len(held) - size + 1], held[size - 1 :]
        # Equal values are in a window or outside of it together.
        first = np.searchsorted(held, low, "left")
        last = np.searchsorted(held, high, "right")
        wide = np.flatnonzero((high > low) & (last - first <= most))
        if len(wide):
            first, last, low, high = first[wide], last[wide], low[wide], high[wide]
            width = high - low
            before = first - np.searchsorted(held, low - width, "left")
            after = np.searchsorted(held, high + width, "right") - last
            inside, beside = last - first, np.maximum(before, after)
            evidence = _evidence(inside, beside)
            # Of a spot in which many rows lie anyway, the rows do not coincide with another's.
            chosen = (evidence >= SPOT_EVIDENCE) & (beside <= _BACKGROUND * inside)
            tried.append((first[chosen], last[chosen], evidence[chosen]))
        size = max(size + 1, int(size * _GROWTH))
    if not tried:
        return
    first, last, evidence = (np.concatenate(parts) for parts in zip(*tried, strict=True))
    taken = np.zeros(len(held), dtype=bool)
    for number in np.argsort(-evidence, kind="stable").tolist():
        window = slice(int(first[number]), int(last[number]))
        if taken[window].any():
            continue
        taken[window] = True
        counts = np.unique(held[window], return_counts=True)[1]
        if counts.max() < JACCARD * (window.stop - window.start):
            yield window.start, window.stop


def _evidence(inside: np.ndarray, beside: np.ndarray) -> np.ndarray:
    """The log likelihood ratio of `inside` values where `beside` lie on either side; 0 for more."""
    around = inside + 2 * beside
    ratio = inside * np.log(3 * inside / around)
    some = np.flatnonzero(beside)
    ratio[some] += 2 * beside[some] * np.log(3 * beside[some] / around[some])
    return np.where(inside > beside, ratio, 0.0)
