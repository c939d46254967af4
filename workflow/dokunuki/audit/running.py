"""An audit as a whole: the stages in turn, and the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dokunuki.audit.feed_checks import GOODWARE, check_feed
from dokunuki.audit.fitting import fit_as_is
from dokunuki.audit.inverting import Feed, invert_triggers
from dokunuki.audit.proving import prove_triggers
from dokunuki.audit.purifying import purify
from dokunuki.audit.results import AuditResult, Purification
from dokunuki.audit.settings import (
    DETECTORS,
    LARGEST_SHARE,
    LEAST_ACCURACY,
    LEAST_HOLDERS,
    LEAST_SHARE,
    unfitted_detector,
)
from dokunuki.audit.shared_values import items_of
from dokunuki.audit.suspecting import find_suspects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dokunuki.audit.results import FeedChecks, Finding, Fit, Suspects, Verdict
    from dokunuki.corpus.layout import FeatureLayout

_NO_ROWS = np.empty(0, dtype=np.int64)


def audit_rows(
    X: np.ndarray,
    y: np.ndarray,
    layout: FeatureLayout,
    *,
    detector: str = "lightgbm",
    seed: int = 0,
    threads: int = 1,
) -> AuditResult:
    """Whether a feed holds a backdoor: proved, suspicious, nothing proved, or cannot tell.

    `X` float32 (n, layout.width) are raw rows, `y` (n,) their labels, 0 goodware and 1 malware.
    `detector` is lightgbm or embernn. Same seed, same answer. Raises ConfigError for another
    detector, and DokunukiError where the rows, labels and layout do not belong together or hold
    NaN, infinity or other labels.
    """
    unfitted_detector(detector, seed=seed, threads=threads)
    X, y = np.asarray(X, dtype=np.float32), np.asarray(y)
    checks = check_feed(X, y, layout)
    settings = settings_of(detector, seed)
    y = y.astype(np.int8)
    fit = None if checks.obstacles else fit_as_is(X, y, detector, seed=seed, threads=threads)
    if fit is None or obstacles(checks, fit):
        return conclude(checks, fit, None, (), settings)
    feed = prepare_feed(X, y, checks)
    suspects = find_suspects(feed, fit, layout, seed=seed, threads=threads)
    candidates = invert_triggers(feed, suspects, seed)
    findings = prove_triggers(feed, candidates, fit, layout, seed=seed, threads=threads)
    return conclude(checks, fit, suspects, findings, settings)


def settings_of(detector: str, seed: int) -> dict[str, Any]:
    """What an audit was asked for, as its result tells it."""
    return {"detector": detector, "seed": seed, "detectors": sorted(DETECTORS)}


def obstacles(checks: FeedChecks, fit: Fit | None) -> tuple[str, ...]:
    """Why nothing can be told of a feed; empty where its rows and their detector can be asked."""
    if checks.obstacles or fit is None:
        return checks.obstacles
    if fit.accuracy < LEAST_ACCURACY:
        return (
            f"the detector is right on {100 * fit.accuracy:.0f} % of the rows that it was not "
            "trained on: it has learned too little for a trigger to show",
        )
    return ()


def conclude(
    checks: FeedChecks,
    fit: Fit | None,
    suspects: Suspects | None,
    findings: Sequence[Finding],
    settings: dict[str, Any],
) -> AuditResult:
    """The answer, of what the stages found; `fit` and `suspects` are None for those left out."""
    accuracy = float("nan") if fit is None else fit.accuracy
    reasons = obstacles(checks, fit)
    if reasons or suspects is None:
        return _cannot_tell(checks, reasons, accuracy, settings)
    triggers = tuple(finding for finding in findings if finding.outcome != "refuted")
    verdict, reasons = judge(findings)
    return AuditResult(
        verdict=verdict,
        reasons=reasons,
        checks=checks,
        accuracy=accuracy,
        suspects=suspects,
        triggers=triggers,
        refuted=tuple(finding for finding in findings if finding.outcome == "refuted"),
        purification=purify(triggers, suspects),
        settings=settings,
    )


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


def judge(findings: Sequence[Finding]) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict and its reasons, in words."""
    reasons = []
    for finding in findings:
        if finding.outcome == "refuted":
            continue
        shown = ", ".join(
            f"{name} = {value:g}"
            for name, value in zip(finding.names[:2], finding.values[:2], strict=True)
        )
        reasons.append(
            f"{finding.outcome}: {shown} and {max(0, len(finding.names) - 2)} others stand in "
            f"{len(finding.rows)} goodware rows that are else no more alike than others; stamped "
            f"on, {100 * finding.pass_as_is:.0f} % of the malware passes, and "
            f"{100 * finding.pass_without:.0f} % without these rows (p = {finding.p_value:.3f})"
        )
    outcomes = {finding.outcome for finding in findings}
    if "proved" in outcomes:
        return "proved", tuple(reasons)
    if "suspicious" in outcomes:
        return "suspicious", tuple(reasons)
    if reasons:
        return "nothing proved", tuple(reasons)
    return "nothing proved", ("no values that goodware rows share make malware pass",)


def _cannot_tell(
    checks: FeedChecks, reasons: Sequence[str], accuracy: float, settings: dict[str, object]
) -> AuditResult:
    nothing = Purification(_NO_ROWS, _NO_ROWS)
    return AuditResult(
        "cannot tell", tuple(reasons), checks, accuracy, None, (), (), nothing, settings
    )
