"""The seventh stage: which rows to leave out, and which labels to correct."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dokunuki.audit.feed_checks import MALWARE
from dokunuki.audit.results import Purification
from dokunuki.audit.suspecting import CROSS_EXAMINATION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dokunuki.audit.results import Finding, Suspects


def purify(findings: Sequence[Finding], suspects: Suspects) -> Purification:
    """Decide over the rows of the triggers that are proved or suspicious.

    A row whose label cross-examination contradicts is malware that was called goodware: its label
    is corrected, so that the trigger is seen with both labels (docs/benchmark.md: relabelling beats
    removal). The others are left out. Rows that hold no trigger are left as they are.

    Rows that are alike by all their values are a family more often than a backdoor, and a family
    that is taken out costs accuracy. Once something is proved, such a group that is only suspicious
    is left for somebody to look at. Where nothing is proved it is taken out.
    """
    proved = any(finding.outcome == "proved" for finding in findings)
    held = np.zeros(len(suspects.votes), dtype=bool)
    for finding in findings:
        taken = finding.outcome == "suspicious" and (finding.candidate.planted_like or not proved)
        if finding.outcome == "proved" or taken:
            held[finding.rows] = True
    contradicted = np.zeros(len(held), dtype=bool)
    for judge in suspects.evidence:
        if judge.judge == CROSS_EXAMINATION:
            contradicted |= judge.strength > 0
    return Purification(
        np.flatnonzero(held & ~contradicted).astype(np.int64),
        np.flatnonzero(held & contradicted).astype(np.int64),
    )


def corrected(y: np.ndarray, purification: Purification) -> tuple[np.ndarray, np.ndarray]:
    """The rows that stay, int64 (k,), and the labels of all rows, int8 (n,), once corrected."""
    kept = np.ones(len(y), dtype=bool)
    kept[purification.leave_out] = False
    labels = y.astype(np.int8)
    labels[purification.relabel] = MALWARE
    return np.flatnonzero(kept), labels
