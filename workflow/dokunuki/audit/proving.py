"""The fifth stage: a trigger is proved by what it does, not by how it looks.

Candidates are stamped into malware that a detector was not fitted on. With a planted trigger, the
malware passes the detector of the feed as it is, but not one that did not see the suspected rows.
What passes both is evasion: there is no poison to take out. How large a difference arises by chance
is measured in the same columns, with the values of other goodware.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dokunuki.audit.feed_checks import MALWARE
from dokunuki.audit.fitting import fit_folds
from dokunuki.audit.results import Candidate, Finding
from dokunuki.audit.settings import (
    DRAWS,
    EVASION,
    FEWEST_WHOLE,
    LARGE_GAP,
    LEAST_GAP,
    MALWARE_AROUND,
    MALWARE_STAMPED,
    MOST_CANDIDATES,
    MOST_CLOSEST,
    MOST_COLUMNS,
    MOST_FRINGE,
    SIGNIFICANT,
)
from dokunuki.seeding import generator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dokunuki.audit.preparing import Feed
    from dokunuki.audit.results import Fit, Outcome
    from dokunuki.corpus.layout import FeatureLayout
    from dokunuki.detector import Detector

_THRESHOLD = 0.5
# Stamped rows that are scored at a time.
_BATCH = 2048
# Between these quantiles lie 95 % of the draws.
_MOST_DRAWS = (0.025, 0.975)


def prove_triggers(
    feed: Feed,
    candidates: Sequence[Candidate],
    fit: Fit,
    layout: FeatureLayout,
    *,
    seed: int,
    threads: int,
    device: str = "auto",
) -> tuple[Finding, ...]:
    """Test the candidates that let malware pass or look planted; the latter also as one trigger.

    The detectors without suspects are fitted once, without the rows of any candidate that is tried.
    Where no candidate is tried, nothing is fitted.
    """
    stamped = StampedMalware(feed.X, feed.y, fit, seed)
    passing = [
        np.mean(stamped.passing(fit.detectors, one.columns, one.values)) for one in candidates
    ]
    promising = [
        (not one.planted_like, -float(share), one)
        for one, share in zip(candidates, passing, strict=True)
        if one.planted_like or share - stamped.unstamped >= LEAST_GAP / 2
    ]
    tried = [one for *_, one in sorted(promising, key=lambda found: found[:2])[:MOST_CANDIDATES]]
    if not tried:
        return ()
    left_out = np.zeros(len(feed.y), dtype=bool)
    for one in tried:
        left_out[one.rows] = True
    without = fit_folds(
        feed.X,
        feed.y,
        fit.fold,
        fit.name,
        seed=seed,
        threads=threads,
        device=device,
        left_out=left_out,
    )
    tried += _together([one for one in tried if one.planted_like])
    others = np.setdiff1d(feed.goodware, np.flatnonzero(left_out))
    measured = [
        _measure(stamped, one, fit, without, others, seed, number)
        for number, one in enumerate(tried)
    ]
    p_values = _holm(np.array([passed.p_value for passed in measured]))
    findings = [
        Finding(
            one,
            tuple(layout.names[column] for column in one.columns),
            passed.as_is,
            passed.without,
            stamped.unstamped,
            float(p_value),
            _outcome(one, passed.as_is, passed.without, stamped.unstamped, float(p_value)),
            passed.null_range,
        )
        for one, passed, p_value in zip(tried, measured, p_values, strict=True)
    ]
    return tuple(sorted(findings, key=lambda finding: -finding.gap))


def _outcome(
    candidate: Candidate, as_is: float, without: float, unstamped: float, p_value: float
) -> Outcome:
    gap = as_is - without
    works = p_value <= SIGNIFICANT and gap >= LEAST_GAP
    if candidate.planted_like:
        if works:
            return "proved"
        if without - unstamped >= EVASION:
            return "evasion"
        # Values of other goodware may do as much where the columns alone decide: no proof then.
        return "suspicious" if candidate.stark or gap >= LARGE_GAP else "refuted"
    # Rows that are alike are of one kind, by nature or since the attacker chose them so. Whoever
    # flips labels takes a kind that is called malware elsewhere.
    structure = candidate.structure
    if works and structure.closest <= MOST_CLOSEST and structure.malware_around >= MALWARE_AROUND:
        if gap >= LARGE_GAP:
            return "proved" if structure.whole >= FEWEST_WHOLE else "suspicious"
        # A family by nature has a fringe, of kin that hold a part of what it shares.
        return "suspicious" if structure.fringe <= MOST_FRINGE else "refuted"
    return "refuted"


def _together(planted: list[Candidate]) -> list[Candidate]:
    """The candidates as one trigger: of a split one, each row holds a part."""
    if len(planted) < 2:
        return []
    columns = np.concatenate([one.columns for one in planted])
    values = np.concatenate([one.values for one in planted])
    # Where two set the same column, the first has it.
    first = np.sort(np.unique(columns, return_index=True)[1])[:MOST_COLUMNS]
    ranges = None
    if any(one.ranges is not None for one in planted):
        ends = [
            np.stack([one.values] * 2, axis=1) if one.ranges is None else one.ranges
            for one in planted
        ]
        ranges = np.concatenate(ends)[first]
    widest = planted[0]
    return [
        Candidate(
            columns[first],
            values[first],
            np.unique(np.concatenate([one.rows for one in planted])),
            widest.structure,
            True,
            False,
            tuple(dict.fromkeys(judge for one in planted for judge in one.judges)),
            ranges,
        )
    ]


class StampedMalware:
    """Malware that the detectors of its fold were not fitted on, for values to be stamped into."""

    def __init__(self, X: np.ndarray, y: np.ndarray, fit: Fit, seed: int) -> None:
        draw = generator(seed, "audit", "proof", "malware")
        self.X = X
        self.folds = []
        for fold in range(len(fit.detectors)):
            held_out = np.flatnonzero((fit.fold == fold) & (y == MALWARE))
            self.folds.append(draw.permutation(held_out)[:MALWARE_STAMPED])
        self.unstamped = float(np.mean([np.mean(fit.scores[f] < _THRESHOLD) for f in self.folds]))

    def passing(
        self,
        detectors: Sequence[Detector],
        columns: np.ndarray,
        values: np.ndarray,
        rows: int = MALWARE_STAMPED,
    ) -> np.ndarray:
        """The share of the malware that passes with each row of `values` (d, N) stamped on, (d,).

        `detectors` are one for each fold; the share is their mean. Only the first `rows` pieces of
        malware of each fold are stamped.
        """
        values = np.atleast_2d(values)
        shares = np.zeros(len(values))
        for detector, held_out in zip(detectors, self.folds, strict=True):
            malware = self.X[held_out[:rows]]
            batch = max(1, _BATCH // len(malware))
            for start in range(0, len(values), batch):
                chosen = values[start : start + batch]
                stamped = np.tile(malware, (len(chosen), 1))
                stamped[:, columns] = np.repeat(chosen, len(malware), axis=0)
                passed = detector.malware_scores(stamped) < _THRESHOLD
                shares[start : start + batch] += passed.reshape(len(chosen), -1).mean(axis=1)
        return shares / len(detectors)


class _Passed(NamedTuple):
    """What passes as is and without suspects, and how chance would have it differ.

    The p-value is 1, and there is no range, where the difference is too small to count: the null
    distribution takes longest.
    """

    as_is: float
    without: float
    p_value: float
    null_range: tuple[float, float] | None


def _measure(
    stamped: StampedMalware,
    candidate: Candidate,
    fit: Fit,
    without: Sequence[Detector],
    others: np.ndarray,
    seed: int,
    number: int,
) -> _Passed:
    as_is, lacking = (
        float(stamped.passing(models, candidate.columns, candidate.values)[0])
        for models in (fit.detectors, without)
    )
    if as_is - lacking < LEAST_GAP:
        return _Passed(as_is, lacking, 1.0, None)
    draw = generator(seed, "audit", "proof", number)
    donors = draw.choice(others, DRAWS, replace=len(others) < DRAWS)
    values = stamped.X[np.ix_(donors, candidate.columns)]
    few = MALWARE_STAMPED // 5
    null = stamped.passing(fit.detectors, candidate.columns, values, few)
    null -= stamped.passing(without, candidate.columns, values, few)
    p_value = (1 + np.count_nonzero(null >= as_is - lacking)) / (1 + DRAWS)
    low, high = np.quantile(null, _MOST_DRAWS)
    return _Passed(as_is, lacking, float(p_value), (float(low), float(high)))


def _holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's correction for as many tests, in the order given."""
    order = np.argsort(p_values, kind="stable")
    factors = len(p_values) - np.arange(len(p_values))
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(1, np.maximum.accumulate(p_values[order] * factors))
    return corrected
