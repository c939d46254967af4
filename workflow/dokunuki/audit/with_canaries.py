"""An audit from the library: the stages in turn, and then canaries, if any are asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from dokunuki.audit.canaries.ground import ground_vectors, prepare_ground
from dokunuki.audit.canaries.measuring import left_out, plant_canary
from dokunuki.audit.canaries.planned import canary_spec, own_attacks, planned_canaries
from dokunuki.audit.running import audit_rows
from dokunuki.corpus.vectors import Vectors

if TYPE_CHECKING:
    from dokunuki.audit.results import AuditResult
    from dokunuki.corpus.layout import FeatureLayout


def audit_with_canaries(
    X: np.ndarray,
    y: np.ndarray,
    layout: FeatureLayout,
    *,
    detector: str = "lightgbm",
    seed: int = 0,
    threads: int = 1,
    canaries: str = "none",
) -> AuditResult:
    """As `running.audit_rows`; then `canaries` (none, quick, full) are planted into copies of it.

    What became of them is in `AuditResult.canaries`, None where none were asked for. Raises
    ConfigError for an unknown level, too.
    """
    planned = planned_canaries(canaries)
    result = audit_rows(X, y, layout, detector=detector, seed=seed, threads=threads)
    if not planned:
        return result
    feed = _vectors(np.asarray(X, dtype=np.float32), np.asarray(y).astype(np.int8), layout)
    specs = [canary_spec(own_attacks(), cell) for cell in planned.values()]
    obstacles = result.reasons if result.verdict == "cannot tell" else ()
    ground, attacker = prepare_ground(
        feed, result.triggers, obstacles, detector, seed=seed, threads=threads
    )
    if attacker is None:
        return replace(result, canaries=tuple(left_out(spec, ground.obstacle) for spec in specs))
    copies = ground_vectors(feed, ground)
    measured = tuple(
        plant_canary(
            copies,
            ground.share,
            spec,
            detector,
            surrogate=lambda: attacker.surrogate,
            explanations=attacker.explanations.copy,
            unpoisoned=lambda: attacker.unpoisoned,
            seed=seed,
            threads=threads,
        )
        for spec in specs
    )
    return replace(result, canaries=measured)


def _vectors(X: np.ndarray, y: np.ndarray, layout: FeatureLayout) -> Vectors:
    nothing = np.full(len(y), "", dtype="U1")
    role = np.full(len(y), "train")
    return Vectors(X, y, nothing, nothing, role, layout, "feed", "rows")
