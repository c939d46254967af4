"""What a group of goodware rows agrees in that few other rows hold: values, or narrow ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dokunuki.audit.feed_checks import GOODWARE, MALWARE
from dokunuki.audit.settings import FRINGE, RARE, SHARED, UNUSUAL, WHOLE
from dokunuki.storage.row_blocks import row_blocks

if TYPE_CHECKING:
    from dokunuki.audit.preparing import Feed

# A range that most of a group's rows hold is widened by this part of it on either side, as far as
# rows of the group reach: it was the narrowest, and noise has ends.
_WIDENED = 0.25
# Of other rows, so many are counted; columns are first tried on fewer.
_COUNTED = 20_000
_TRIED = 2000
# What many hold is part of a trigger only if all of its rows hold it, more of them than chance
# would have: of a value, and of a range, for which there are more ways.
_COMMON, _CHANCE = 0.9, 1e-4
_COMMON_RANGE, _CHANCE_OF_RANGE = 0.5, 1e-10


class Shared(NamedTuple):
    """What rows agree in: the unusual columns first, and how many more they nearly agree in.

    `columns` int64 (N,), `values` float32 (N,), and `ranges` float32 (N, 2), the lowest and the
    highest value, which may be the same. `unusual` of the columns are unusual. `whole` counts those
    of them that nearly all rows agree in, and `fringe` the columns that many of the rows share, and
    not most.
    """

    columns: np.ndarray
    values: np.ndarray
    ranges: np.ndarray
    unusual: int
    fringe: int
    whole: int


class Holders:
    """How many rows of either label hold a value of a column; each value is counted once.

    The counts are kept, since groups share most of the values that are asked for, and counting goes
    through all rows.
    """

    def __init__(self, X: np.ndarray, y: np.ndarray) -> None:
        self.X = X
        self.y = y
        self._known: dict[tuple[int, float], tuple[int, int]] = {}

    def __call__(self, columns: np.ndarray, values: np.ndarray) -> np.ndarray:
        """For each column and its value the goodware and the malware rows, int64 (2, columns)."""
        asked = list(zip(columns.tolist(), values.tolist(), strict=True))
        new = np.flatnonzero([one not in self._known for one in asked])
        counted = np.zeros((2, len(new)), dtype=np.int64)
        # All columns of a block of rows at a time, since a row's values lie together.
        for block in row_blocks(len(self.X) if len(new) else 0):
            same = self.X[block][:, columns[new]] == values[new]
            for label in (GOODWARE, MALWARE):
                counted[label] += np.count_nonzero(same[self.y[block] == label], axis=0)
        for place, goodware, malware in zip(new.tolist(), *counted.tolist(), strict=True):
            self._known[asked[place]] = (goodware, malware)
        return np.array([self._known[one] for one in asked], np.int64).reshape(-1, 2).T


def values_shared_by(feed: Feed, rows: np.ndarray, holders: Holders) -> Shared:
    """The values that most of these goodware rows hold, and few others; rarest first."""
    # Column by column, as they are sorted and compared.
    inside = np.ascontiguousarray(feed.X[rows].T)
    # The median row's value is the one that more than half of the rows hold, if any is.
    half = len(rows) // 2
    middle = np.partition(inside, half, axis=1)[:, half]
    held = np.count_nonzero(inside == middle[:, None], axis=1)
    share = held / len(rows)
    # What most rows hold anyway is seen without being counted again, as most columns are.
    ordinary = (middle == feed.typical) & (
        (feed.typical_share > _COMMON) | ((feed.typical_share > UNUSUAL) & (share < 1))
    )
    columns = np.flatnonzero((share >= FRINGE) & ~ordinary)
    holding = holders(columns, middle[columns])
    holding[GOODWARE] -= held[columns]
    outside = np.bincount(feed.y, minlength=2) - [len(rows), 0]
    others = (holding / np.maximum(outside, 1)[:, None]).max(axis=0, initial=0)
    fringe = np.count_nonzero((others <= UNUSUAL) & (share[columns] < SHARED))
    shared = share[columns] >= SHARED
    columns, others = columns[shared], others[shared]
    unusual = others <= UNUSUAL
    whole = int(np.count_nonzero(share[columns[unusual]] >= WHOLE))
    surprising = np.full(len(columns), False)
    tried = others <= _COMMON
    surprising[tried] = (share[columns[tried]] == 1) & (others[tried] ** len(rows) <= _CHANCE)
    order = np.lexsort((columns, others))
    order = order[(unusual | surprising)[order]]
    chosen = columns[order]
    return Shared(
        chosen,
        middle[chosen],
        np.stack([middle[chosen]] * 2, axis=1),
        int(np.count_nonzero(unusual)),
        int(fringe),
        whole,
    )


def ranges_shared_by(feed: Feed, rows: np.ndarray) -> Shared:
    """The narrow ranges that most of these goodware rows hold, and few others; rarest first.

    `rows` int64 (k,) are positions in the feed. A range is the narrowest that holds most rows.
    """
    inside = np.sort(np.ascontiguousarray(feed.X[rows].T), axis=1)
    ranges, middle = _narrowest(inside, SHARED)
    halves, _ = _narrowest(inside, FRINGE)
    others = _Others(feed, rows, halves)
    columns = others.columns
    held = _inside(inside[columns], ranges[columns])
    shares = others.within(ranges)
    unusual = shares <= _bound(ranges[columns])
    fringe = (others.within(halves) <= _bound(halves[columns])) & ~unusual
    whole = unusual & (held >= WHOLE * len(rows))
    order = np.lexsort((columns, shares))
    chosen = columns[order[unusual[order]]]
    # Ranges that many rows hold belong to a trigger whose rows hold them without exception.
    spans = inside[:, [0, -1]]
    surprising = _surprising(others.within(spans), spans[columns], len(rows))
    more = columns[surprising & ~unusual]
    ranges[more], middle[more] = spans[more], inside[more, len(rows) // 2]
    named = np.concatenate([chosen, more])
    return Shared(
        named,
        middle[named],
        ranges[named],
        len(chosen),
        int(np.count_nonzero(fringe)),
        int(np.count_nonzero(whole)),
    )


def _surprising(others: np.ndarray, spans: np.ndarray, k: int) -> np.ndarray:
    """Whether chance would not have all of `k` rows within spans that these shares of others hold.

    Where others lie there with probability q, all of k rows do with q^k about a value. About a span
    that two of them set it is k (k - 1) q^(k - 2).
    """
    value = spans[:, 0] == spans[:, 1]
    logarithm = np.log(np.maximum(others, np.finfo(np.float64).tiny))
    chance = np.where(value, k * logarithm, np.log(k * (k - 1)) + (k - 2) * logarithm)
    small = chance <= np.log(np.where(value, _CHANCE, _CHANCE_OF_RANGE))
    return np.asarray(small & (others <= np.where(value, _COMMON, _COMMON_RANGE)))


def _bound(ranges: np.ndarray) -> np.ndarray:
    """The share of other rows that may hold each: of a range fewer than of a value."""
    return np.where(ranges[:, 0] < ranges[:, 1], RARE, UNUSUAL)


def _narrowest(inside: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """The narrowest range with this share of each row of `inside` (c, k), sorted, and its middle.

    Ranges are (c, 2), low and high. They are widened to what lies close by.
    """
    k = inside.shape[1]
    size = int(np.ceil(share * k))
    widths = inside[:, size - 1 :] - inside[:, : k - size + 1]
    first = widths.argmin(axis=1)
    every = np.arange(len(inside))
    more = _WIDENED * widths[every, first]
    low, high = inside[every, first] - more, inside[every, first + size - 1] + more
    within = (inside >= low[:, None]) & (inside <= high[:, None])
    start = within.argmax(axis=1)
    last = k - 1 - within[:, ::-1].argmax(axis=1)
    ranges = np.stack([inside[every, start], inside[every, last]], axis=1)
    return ranges, inside[every, (start + last) // 2]


def _inside(inside: np.ndarray, ranges: np.ndarray) -> np.ndarray:
    within = (inside >= ranges[:, :1]) & (inside <= ranges[:, 1:])
    return np.asarray(np.count_nonzero(within, axis=1))


class _Others:
    """The rows of a feed but a group, and the columns of which not nearly all lie in a range."""

    def __init__(self, feed: Feed, rows: np.ndarray, ranges: np.ndarray) -> None:
        # A share is told from 5 % by so many.
        step = max(1, len(feed.X) // _COUNTED)
        self.rows = np.setdiff1d(np.arange(0, len(feed.X), step), rows)
        self.feed = feed
        few = feed.X[self.rows[:: max(1, len(self.rows) // _TRIED)]]
        share = ((few >= ranges[:, 0]) & (few <= ranges[:, 1])).mean(axis=0)
        self.columns = np.flatnonzero(share <= _COMMON)

    def within(self, ranges: np.ndarray) -> np.ndarray:
        """The share of the rows, of either label the larger, in each of `columns`' ranges."""
        low, high = ranges[self.columns].T
        counts = np.zeros((2, len(self.columns)))
        labels = self.feed.y[self.rows]
        for block in row_blocks(len(self.rows)):
            own = self.feed.X[np.ix_(self.rows[block], self.columns)]
            inside = (own >= low) & (own <= high)
            for label in (GOODWARE, MALWARE):
                counts[label] += np.count_nonzero(inside[labels[block] == label], axis=0)
        return np.asarray((counts / np.bincount(labels, minlength=2)[:, None]).max(axis=0))
