"""The second stage: the detector of the feed as it is; no row is scored by a fit that saw it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dokunuki.audit.feed_checks import GOODWARE, MALWARE
from dokunuki.audit.results import Fit
from dokunuki.audit.settings import FEW_ROWS, FOLDS, FOLDS_OF_FEW_ROWS, unfitted_detector
from dokunuki.seeding import generator

if TYPE_CHECKING:
    from dokunuki.detector import Detector


def folds_of(y: np.ndarray, seed: int, count: int) -> np.ndarray:
    """The fold of each row, int8 (n,), of `count` that each hold the same share of either label."""
    folds = np.empty(len(y), dtype=np.int8)
    for label in (GOODWARE, MALWARE):
        rows = generator(seed, "audit", "folds", label).permutation(np.flatnonzero(y == label))
        folds[rows] = np.arange(len(rows)) % count
    return folds


def fit_folds(
    X: np.ndarray,
    y: np.ndarray,
    folds: np.ndarray,
    name: str,
    *,
    seed: int,
    threads: int,
    device: str = "auto",
    left_out: np.ndarray | None = None,
) -> tuple[Detector, ...]:
    """For each fold the detector `name`, fitted on the raw rows of the others.

    `left_out` bool (n,) are rows that no detector sees. All start from the same seed, so that only
    the rows differ.
    """
    used = np.ones(len(y), dtype=bool) if left_out is None else ~left_out
    detectors = []
    for fold in range(int(folds.max()) + 1):
        rows = used & (folds != fold)
        detector = unfitted_detector(name, seed=seed, threads=threads, device=device)
        detectors.append(detector.fit(X[rows], y[rows], copy=False))
    return tuple(detectors)


def fit_as_is(
    X: np.ndarray, y: np.ndarray, name: str, *, seed: int, threads: int, device: str = "auto"
) -> Fit:
    """Fit the detector `name` on raw rows float32 (n, width), fold by fold, and score the rest.

    Raises ConfigError for an unknown name.
    """
    folds = folds_of(y, seed, FOLDS_OF_FEW_ROWS if len(y) < FEW_ROWS else FOLDS)
    detectors = fit_folds(X, y, folds, name, seed=seed, threads=threads, device=device)
    scores = np.empty(len(y), dtype=np.float32)
    for fold, detector in enumerate(detectors):
        scores[folds == fold] = detector.malware_scores(X[folds == fold])
    right = (scores >= 0.5) == (y == MALWARE)
    accuracy = float(np.mean([right[y == label].mean() for label in (GOODWARE, MALWARE)]))
    return Fit(name, folds, scores, detectors, accuracy)
