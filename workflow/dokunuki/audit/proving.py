"""The fifth stage: a trigger is proved by what it does, not by how it looks.

Candidates are stamped into malware that a detector was not fitted on. A trigger that was planted
passes with the detector as the feed makes it, and no longer with one that did not see the suspected
rows. What passes with both is evasion: there is no poison to take out. How large such a difference
is by chance is read off the same columns with the values of other goodware.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dokunuki.audit.feed_checks import MALWARE
from dokunuki.audit.fitting import fit_folds
from dokunuki.audit.results import Candidate, Finding
from dokunuki.audit.settings import (
    DRAWS,
    EVASION,
    LEAST_GAP,
    MALWARE_STAMPED,
    MOST_CANDIDATES,
    MOST_COLUMNS,
    SIGNIFICANT,
)
from dokunuki.seeding import generator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dokunuki.audit.inverting import Feed
    from dokunuki.audit.results import Fit, Outcome
    from dokunuki.corpus.layout import FeatureLayout
    from dokunuki.detector import Detector

_THRESHOLD = 0.5


def prove_triggers(
    feed: Feed,
    candidates: Sequence[Candidate],
    fit: Fit,
    layout: FeatureLayout,
    *,
    seed: int,
    threads: int,
) -> tuple[Finding, ...]:
    """Put the first candidates to the proof, and all that look planted together as one.

    The detectors without suspects are fitted once, without the rows of any candidate that looks
    planted (of all, where none does).
    """
    tried = list(candidates[:MOST_CANDIDATES])
    if not tried:
        return ()
    planted = [one for one in tried if one.planted_like]
    left_out = np.zeros(len(feed.y), dtype=bool)
    for one in planted or tried:
        left_out[one.rows] = True
    without = fit_folds(
        feed.X, feed.y, fit.fold, fit.name, seed=seed, threads=threads, left_out=left_out
    )
    tried += _together(planted)
    others = np.setdiff1d(feed.goodware, np.flatnonzero(left_out))
    measured = [
        _measure(feed, one, fit, without, others, seed, number) for number, one in enumerate(tried)
    ]
    p_values = _holm(np.array([p for *_, p in measured]))
    findings = [
        Finding(
            one,
            tuple(layout.names[column] for column in one.columns),
            as_is,
            lacking,
            unstamped,
            float(p_value),
            _outcome(one, as_is, lacking, unstamped, float(p_value)),
        )
        for one, (as_is, lacking, unstamped, _), p_value in zip(
            tried, measured, p_values, strict=True
        )
    ]
    return tuple(sorted(findings, key=lambda finding: -finding.gap))


def _outcome(
    candidate: Candidate, as_is: float, without: float, unstamped: float, p_value: float
) -> Outcome:
    gap = as_is - without
    if candidate.planted_like and gap >= LEAST_GAP and p_value <= SIGNIFICANT:
        return "proved"
    if candidate.planted_like:
        return "evasion" if without - unstamped >= EVASION else "suspicious"
    return "refuted"


def _together(planted: list[Candidate]) -> list[Candidate]:
    """The candidates as one trigger: of a split one, each row holds a part."""
    if len(planted) < 2:
        return []
    columns = np.concatenate([one.columns for one in planted])
    values = np.concatenate([one.values for one in planted])
    # Where two set the same column, the first has it.
    first = np.sort(np.unique(columns, return_index=True)[1])[:MOST_COLUMNS]
    widest = planted[0]
    return [
        Candidate(
            columns[first],
            values[first],
            np.unique(np.concatenate([one.rows for one in planted])),
            widest.structure,
            True,
            tuple(dict.fromkeys(judge for one in planted for judge in one.judges)),
        )
    ]


def _measure(
    feed: Feed,
    candidate: Candidate,
    fit: Fit,
    without: Sequence[Detector],
    others: np.ndarray,
    seed: int,
    number: int,
) -> tuple[float, float, float, float]:
    """How much malware passes as is, without suspects, and unstamped; and the p-value.

    The p-value is 1 where the difference is too small to count, and no candidate that looks
    planted: the null distribution takes longest.
    """
    draw = generator(seed, "audit", "proof", number)
    folds = []
    for fold in range(len(without)):
        held_out = np.flatnonzero((fit.fold == fold) & (feed.y == MALWARE))
        if len(held_out) > MALWARE_STAMPED:
            held_out = np.sort(draw.choice(held_out, MALWARE_STAMPED, replace=False))
        folds.append(held_out)
    stamps = [(candidate.values, held_out) for held_out in folds]
    as_is, lacking = (
        float(np.mean(_passing(feed, models, candidate.columns, stamps)))
        for models in (fit.detectors, without)
    )
    unstamped = float(np.mean([np.mean(fit.scores[rows] < _THRESHOLD) for rows in folds]))
    if not candidate.planted_like and as_is - lacking < LEAST_GAP:
        return as_is, lacking, unstamped, 1.0
    # Fewer rows for each draw of the null distribution: there are many.
    few = [held_out[: max(1, MALWARE_STAMPED // 5)] for held_out in folds]
    null = np.empty(DRAWS)
    for place, donor in enumerate(draw.choice(others, DRAWS, replace=len(others) < DRAWS)):
        stamps = [(feed.X[donor, candidate.columns], held_out) for held_out in few]
        null[place] = np.mean(_passing(feed, fit.detectors, candidate.columns, stamps)) - np.mean(
            _passing(feed, without, candidate.columns, stamps)
        )
    p_value = (1 + np.count_nonzero(null >= as_is - lacking)) / (1 + DRAWS)
    return as_is, lacking, unstamped, float(p_value)


def _passing(
    feed: Feed,
    detectors: Sequence[Detector],
    columns: np.ndarray,
    stamps: Sequence[tuple[np.ndarray, np.ndarray]],
) -> list[float]:
    """The share of the rows of each fold that passes for goodware with the values stamped on."""
    shares = []
    for detector, (values, rows) in zip(detectors, stamps, strict=True):
        stamped = feed.X[rows]
        stamped[:, columns] = values
        shares.append(float(np.mean(detector.malware_scores(stamped) < _THRESHOLD)))
    return shares


def _holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's correction for as many tests, in the order given."""
    order = np.argsort(p_values, kind="stable")
    factors = len(p_values) - np.arange(len(p_values))
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(1, np.maximum.accumulate(p_values[order] * factors))
    return corrected
