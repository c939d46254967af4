"""The form of a feed that the stages work on; each builds it, which takes less than storing it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dokunuki.audit.feed_checks import GOODWARE
from dokunuki.audit.settings import LARGEST_SHARE, LEAST_HOLDERS, LEAST_SHARE
from dokunuki.audit.shared_values import column_blocks, items_of

if TYPE_CHECKING:
    from dokunuki.audit.results import FeedChecks
    from dokunuki.audit.shared_values import Items


@dataclass(frozen=True)
class Feed:
    """The rows and labels, and the goodware among them without copies of the same vector.

    `goodware` int64 (g,) are the first rows of each vector with that label. `typical` float32
    (width,) is the median of each column over all rows, `typical_share` the share of them with it.
    """

    X: np.ndarray
    y: np.ndarray
    goodware: np.ndarray
    items: Items
    typical: np.ndarray
    typical_share: np.ndarray


def prepare_feed(X: np.ndarray, y: np.ndarray, checks: FeedChecks) -> Feed:
    """The feed as the stages take it: its goodware without copies, and the values it shares."""
    goodware = np.setdiff1d(np.flatnonzero(y == GOODWARE), checks.copies)
    items = items_of(X, goodware, *holders_of_items(len(goodware)))
    typical, typical_share = _typical(X)
    return Feed(X, y, goodware, items, typical, typical_share)


def holders_of_items(goodware: int) -> tuple[int, int]:
    """The least and the most of so many goodware rows that hold an item."""
    return max(LEAST_HOLDERS, round(LEAST_SHARE * goodware)), int(LARGEST_SHARE * goodware)


def _typical(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The median of each column, a value that a row holds, and the share of rows that hold it."""
    half = len(X) // 2
    typical, share = np.empty(X.shape[1], dtype=np.float32), np.empty(X.shape[1])
    for start, columns in column_blocks(X):
        block = slice(start, start + len(columns))
        typical[block] = np.partition(columns, half, axis=1)[:, half]
        share[block] = np.mean(columns == typical[block, None], axis=1)
    return typical, share
