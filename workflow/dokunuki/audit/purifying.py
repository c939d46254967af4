"""The seventh stage: which rows to leave out, and which labels to correct."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dokunuki.audit.results import Purification

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dokunuki.audit.results import Finding


def purify(findings: Sequence[Finding], malware_scores: np.ndarray) -> Purification:
    """Decide over the rows of proved and suspected triggers.

    `malware_scores` (n,) are the detector's without the suspects, where it was not fitted on the
    row. Rows of a trigger are left out: those that look like malware could be relabelled, but who
    holds a wrong label for certain is not known.
    """
    rows = [finding.rows for finding in findings if finding.outcome != "refuted"]
    leave_out = np.unique(np.concatenate(rows)) if rows else np.empty(0, dtype=np.int64)
    return Purification(leave_out.astype(np.int64), np.empty(0, dtype=np.int64))
