"""A feed as the stages take it; each makes it anew, which takes less than to store it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dokunuki.audit.feed_checks import GOODWARE
from dokunuki.audit.settings import LARGEST_SHARE, LEAST_HOLDERS, LEAST_SHARE
from dokunuki.audit.shared_values import items_of

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
    least = max(LEAST_HOLDERS, round(LEAST_SHARE * len(goodware)))
    items = items_of(X[goodware], least, int(LARGEST_SHARE * len(goodware)))
    typical, typical_share = _typical(X)
    return Feed(X, y, goodware, items, typical, typical_share)


def _typical(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The median of each column, a value that a row holds, and the share of rows that hold it."""
    typical, share = np.empty(X.shape[1], dtype=np.float32), np.empty(X.shape[1])
    for column in range(X.shape[1]):
        held = X[:, column]
        typical[column] = np.partition(held, len(held) // 2)[len(held) // 2]
        share[column] = np.mean(held == typical[column])
    return typical, share
