"""The third stage: each judge says which rows it suspects, and which of them together.

Judges are independent of each other. *Shared values* finds rows that agree in unusual values,
*shared ranges* rows that lie together in some columns. *Cross-examination* finds goodware that
looks like malware in columns that a trigger may not reach, and groups it by the values that are far
more frequent in it than in other goodware. *Flipping* finds the values that change the detector's
scores of malware most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dokunuki.audit.feed_checks import GOODWARE, MALWARE
from dokunuki.audit.fitting import folds_of
from dokunuki.audit.flipping import flipping
from dokunuki.audit.preparing import holders_of_items
from dokunuki.audit.results import Evidence, Suspects
from dokunuki.audit.settings import (
    CONTRADICTED,
    FEWEST_COLUMNS,
    JACCARD,
    JUDGE_FOLDS,
    JUDGE_ROWS,
    JUDGE_TREES,
    LEAST_HOLDERS,
    MOST_GROUPS,
    VIEWS,
)
from dokunuki.audit.shared_ranges import SHARED_RANGES, spots_of
from dokunuki.audit.shared_values import coinciding_groups
from dokunuki.seeding import stream_seed

if TYPE_CHECKING:
    from dokunuki.audit.preparing import Feed
    from dokunuki.audit.results import Fit
    from dokunuki.audit.shared_values import Items
    from dokunuki.corpus.layout import FeatureLayout

SHARED_VALUES = "shared values"
CROSS_EXAMINATION = "cross-examination"


def find_suspects(
    feed: Feed, fit: Fit, layout: FeatureLayout, *, seed: int, threads: int
) -> Suspects:
    """What the judges say of the rows of a feed."""
    return Suspects(
        (
            shared_values(feed),
            shared_ranges(feed),
            cross_examination(feed, layout, seed, threads),
            flipping(feed, fit, seed),
        )
    )


def shared_values(feed: Feed) -> Evidence:
    """Suspects goodware that agrees in several unusual values; the more of them, the stronger."""
    return _suspecting_groups(feed, SHARED_VALUES, feed.items)


def shared_ranges(feed: Feed) -> Evidence:
    """Suspects goodware that lies together in several columns, in ranges that are narrow there."""
    spots = spots_of(feed.X, feed.goodware, *holders_of_items(len(feed.goodware)))
    return _suspecting_groups(feed, SHARED_RANGES, spots)


def _suspecting_groups(feed: Feed, judge: str, items: Items) -> Evidence:
    groups = coinciding_groups(items, JACCARD, FEWEST_COLUMNS, MOST_GROUPS)
    strength = np.zeros(len(feed.y), dtype=np.float32)
    rows = [feed.goodware[group] for group in groups]
    for group in rows:
        strength[group] = 1
    return Evidence(judge, strength, tuple(rows))


def cross_examination(feed: Feed, layout: FeatureLayout, seed: int, threads: int) -> Evidence:
    """Suspects goodware that trees call malware without the columns of one view or another.

    The principle is that of `dokunuki.defences.cross_examination`. Trees need no standardised rows,
    and only the rows and columns of one fold and view are copied at a time.
    """
    strength = np.zeros(len(feed.y), dtype=np.float32)
    folds = folds_of(feed.y, seed, JUDGE_FOLDS)
    for view in VIEWS:
        seen = np.setdiff1d(np.arange(layout.width), layout.columns(view))
        if not len(seen) or len(seen) == layout.width:
            continue
        for fold in range(JUDGE_FOLDS):
            goodware = np.flatnonzero((folds == fold) & (feed.y == GOODWARE))
            scores = _scores(feed, folds != fold, goodware, seen, f"{view} {fold}", seed, threads)
            strength[goodware[scores >= CONTRADICTED]] += np.float32(1 / len(VIEWS))
    contradicted = np.flatnonzero(strength[feed.goodware] > 0)
    groups = [feed.goodware[group] for group in _frequent_together(feed, contradicted)]
    return Evidence(CROSS_EXAMINATION, strength, tuple(groups))


def _scores(
    feed: Feed,
    others: np.ndarray,
    rows: np.ndarray,
    seen: np.ndarray,
    stream: str,
    seed: int,
    threads: int,
) -> np.ndarray:
    """The probability of malware of `rows` by trees of the columns `seen` of the `others`."""
    from sklearn.ensemble import ExtraTreesClassifier

    random_state = stream_seed(seed, "audit", CROSS_EXAMINATION, stream) % 2**31
    forest = ExtraTreesClassifier(JUDGE_TREES, random_state=random_state, n_jobs=threads)
    learned = np.flatnonzero(others)
    if len(learned) > JUDGE_ROWS:
        rng = np.random.default_rng(random_state)
        learned = np.sort(rng.choice(learned, JUDGE_ROWS, replace=False))
    forest.fit(feed.X[np.ix_(learned, seen)], feed.y[learned])
    # Several threads add the trees' votes up in an order of chance.
    forest.set_params(n_jobs=1)
    return np.asarray(forest.predict_proba(feed.X[np.ix_(rows, seen)])[:, MALWARE])


def _frequent_together(feed: Feed, contradicted: np.ndarray) -> list[np.ndarray]:
    """Contradicted rows by a value that is much more frequent in them than in other goodware."""
    if len(contradicted) < LEAST_HOLDERS:
        return []
    holders = feed.items.holders.tocsc()
    inside = np.asarray(feed.items.holders[contradicted].sum(axis=0)).ravel()
    expected = feed.items.support * len(contradicted) / len(feed.goodware)
    surprise = (inside - expected) / np.sqrt(np.maximum(expected, 0.25))
    groups: list[np.ndarray] = []
    for item in np.argsort(-surprise, kind="stable")[: 4 * MOST_GROUPS]:
        if inside[item] < LEAST_HOLDERS or len(groups) == MOST_GROUPS:
            break
        held = holders.indices[holders.indptr[item] : holders.indptr[item + 1]]
        groups.append(np.intersect1d(held, contradicted))
    return groups
