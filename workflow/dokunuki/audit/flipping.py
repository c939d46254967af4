"""A judge that looks for values that by themselves make the detector call malware goodware.

Neural Cleanse (Wang et al., IEEE S&P 2019) looks for the smallest change that sends all inputs to
one class. Rows of numbers have no pixels to blend, and trees no gradient. So what is tried are
values that goodware rows hold, one after another, on malware that the detector was not fitted on.
The detectors of the folds were fitted on disjoint rows. A planted trigger is among the rows of all
of them, an accident among those of one. So a value counts by the detector that it moves least.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dokunuki.audit.feed_checks import MALWARE
from dokunuki.audit.results import Evidence
from dokunuki.audit.settings import FLIPPED_MALWARE, FLIPPING_ITEMS, FLIPPING_STEPS, LEAST_HOLDERS
from dokunuki.seeding import generator

if TYPE_CHECKING:
    from dokunuki.audit.preparing import Feed
    from dokunuki.audit.results import Fit
    from dokunuki.detector import Detector

FLIPPING = "flipping"

_BATCH = 4096
_SMALLEST = 1e-6


def flipping(feed: Feed, fit: Fit, seed: int) -> Evidence:
    """Suspects the goodware that holds the values which move malware most towards goodware."""
    strength = np.zeros(len(feed.y), dtype=np.float32)
    if not len(feed.items.columns):
        return Evidence(FLIPPING, strength)
    draw = generator(seed, "audit", FLIPPING)
    malware = []
    for fold in range(len(fit.detectors)):
        held_out = np.flatnonzero((fit.fold == fold) & (feed.y == MALWARE))
        malware.append(feed.X[draw.permutation(held_out)[:FLIPPED_MALWARE]])
    every = np.arange(len(feed.items.columns))
    moved = _moved(feed, fit.detectors, malware, every)
    strongest = np.argsort(-moved, kind="stable")[:FLIPPING_ITEMS]
    by_item = feed.items.holders.tocsc()[:, strongest]
    groups = []
    for place in range(FLIPPING_STEPS):
        if moved[strongest[place]] > 0:
            groups.append(by_item.indices[by_item.indptr[place] : by_item.indptr[place + 1]])
    # Greedily: with the strongest stamped on, which value moves malware furthest from there?
    chosen: list[int] = []
    for _ in range(FLIPPING_STEPS):
        further = _moved(feed, fit.detectors, malware, strongest)
        best = int(further.argmax())
        if further[best] <= 0:
            break
        chosen.append(best)
        for rows in malware:
            rows[:, feed.items.columns[strongest[best]]] = feed.items.values[strongest[best]]
    if len(chosen) > 1:
        held = np.asarray(by_item[:, chosen].sum(axis=1)).ravel()
        groups.append(np.flatnonzero(held >= max(2, len(chosen) / 2)))
    rows = [feed.goodware[np.sort(group)] for group in groups if len(group) >= LEAST_HOLDERS]
    for group in rows:
        strength[group] = 1
    return Evidence(FLIPPING, strength, tuple(rows))


def _moved(
    feed: Feed, detectors: tuple[Detector, ...], malware: list[np.ndarray], items: np.ndarray
) -> np.ndarray:
    """How far each item moves the malware's mean logit towards goodware, (items,): the least."""
    least = np.full(len(items), np.inf)
    for detector, rows in zip(detectors, malware, strict=True):
        before = _logits(detector, rows).mean()
        size = max(1, _BATCH // len(rows))
        for start in range(0, len(items), size):
            tried = items[start : start + size]
            stamped = np.tile(rows, (len(tried), 1)).reshape(len(tried), len(rows), -1)
            stamped[np.arange(len(tried)), :, feed.items.columns[tried]] = feed.items.values[
                tried, None
            ]
            after = _logits(detector, stamped.reshape(-1, rows.shape[1]))
            drop = before - after.reshape(len(tried), -1).mean(axis=1)
            least[start : start + size] = np.minimum(least[start : start + size], drop)
    return least


def _logits(detector: Detector, rows: np.ndarray) -> np.ndarray:
    scores = detector.malware_scores(rows).astype(np.float64)
    scores = np.clip(scores, _SMALLEST, 1 - _SMALLEST)
    return np.asarray(np.log(scores / (1 - scores)))
