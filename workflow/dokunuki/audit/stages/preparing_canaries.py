"""What all canaries share: the rows of the copies, and their attacker."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dokunuki.audit.canaries.ground import prepare_ground
from dokunuki.audit.feed_checks import obstacles
from dokunuki.surrogate.explanations import write_explanations

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dokunuki.audit.canaries.ground import Attacker
    from dokunuki.audit.results import FeedChecks, Finding, Fit, Ground
    from dokunuki.corpus.vectors import Vectors


def canary_ground(
    vectors: Vectors,
    checks: FeedChecks,
    fit: Fit | None,
    findings: Sequence[Finding],
    spec: Mapping[str, Any],
    *,
    device: str,
) -> tuple[Ground, Attacker | None]:
    """The rows of the copies, and what their attacker knows; None where nothing can be planted.

    `spec` is `study.specs.audit_spec`, with the `threads` of the surrogate.
    """
    return prepare_ground(
        vectors,
        findings,
        obstacles(checks, fit),
        spec["detector"],
        seed=spec["seed"],
        threads=spec["threads"],
        device=device,
    )


def write_attacker(
    attacker: Attacker | None,
    *,
    surrogate: str | Path,
    explanations: str | Path,
    unpoisoned: str | Path,
) -> None:
    """Write two detectors to folders and the SHAP values to a file; for None, all stay empty."""
    if attacker is None:
        for folder in (surrogate, unpoisoned):
            Path(folder).mkdir(parents=True, exist_ok=True)
        write_explanations(explanations, np.empty((0, 0), dtype=np.float32))
        return
    attacker.surrogate.save(surrogate)
    attacker.unpoisoned.save(unpoisoned)
    write_explanations(explanations, attacker.explanations)
