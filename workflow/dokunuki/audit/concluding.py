"""From what the stages found to the answer: a verdict, and its reasons in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dokunuki.audit.feed_checks import obstacles
from dokunuki.audit.purifying import purify
from dokunuki.audit.results import AuditResult, Purification
from dokunuki.audit.settings import DETECTORS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dokunuki.audit.results import FeedChecks, Finding, Fit, Suspects, Verdict

_NO_ROWS = np.empty(0, dtype=np.int64)


def settings_of(detector: str, seed: int) -> dict[str, Any]:
    """What an audit was asked for, as its result tells it."""
    return {"detector": detector, "seed": seed, "detectors": sorted(DETECTORS)}


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


def judge(findings: Sequence[Finding]) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict and its reasons, in words."""
    reasons = []
    for finding in findings:
        if finding.outcome == "refuted":
            continue
        shown = ", ".join(
            f"{name} = {low:g}" if low == high else f"{name} between {low:g} and {high:g}"
            for name, (low, high) in zip(finding.names[:2], finding.ranges[:2], strict=True)
        )
        further = len(finding.names) - 2
        if further > 0:
            shown += f" and {further} {'other' if further == 1 else 'others'}"
        reasons.append(
            f"{finding.outcome}: {shown} {'is' if len(finding.names) == 1 else 'are'} held by "
            f"{len(finding.rows)} goodware rows that are otherwise no more alike than other rows; "
            f"with these values, {100 * finding.pass_as_is:.0f} % of the malware passes, and "
            f"{100 * finding.pass_without:.0f} % if the detector is trained without these rows "
            f"(p = {finding.p_value:.3f})"
        )
    outcomes = {finding.outcome for finding in findings}
    if "proved" in outcomes:
        return "proved", tuple(reasons)
    if "suspicious" in outcomes:
        return "suspicious", tuple(reasons)
    if reasons:
        return "nothing proved", tuple(reasons)
    return "nothing proved", ("no values that goodware rows share were found to make malware pass",)


def _cannot_tell(
    checks: FeedChecks, reasons: Sequence[str], accuracy: float, settings: dict[str, object]
) -> AuditResult:
    nothing = Purification(_NO_ROWS, _NO_ROWS)
    return AuditResult(
        "cannot tell", tuple(reasons), checks, accuracy, None, (), (), nothing, settings
    )
