"""One canary, in a job of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dokunuki.audit.canaries.ground import ground_vectors
from dokunuki.audit.canaries.measuring import left_out, plant_canary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dokunuki.audit.results import Canary, Ground
    from dokunuki.corpus.vectors import Vectors
    from dokunuki.detector import Detector
    from dokunuki.storage.matrix import Matrix


def canary_of(
    vectors: Vectors,
    ground: Ground,
    canary: Mapping[str, Any],
    spec: Mapping[str, Any],
    *,
    surrogate: Callable[[], Detector],
    explanations: Callable[[], Matrix],
    unpoisoned: Callable[[], Detector],
    threads: int,
    device: str,
) -> Canary:
    """What becomes of a canary; the reason alone where nothing can be planted into this feed.

    `canary` is `canaries.planned.canary_spec`, `spec` `study.specs.audit_spec`.
    """
    if ground.obstacle:
        return left_out(canary, ground.obstacle)
    return plant_canary(
        ground_vectors(vectors, ground),
        ground.share,
        canary,
        spec["detector"],
        surrogate=surrogate,
        explanations=explanations,
        unpoisoned=unpoisoned,
        seed=spec["seed"],
        threads=threads,
        device=device,
    )
