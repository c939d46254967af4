"""The detector as the feed makes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dokunuki.audit.fitting import fit_as_is
from dokunuki.audit.stages.reading import FEED

if TYPE_CHECKING:
    from dokunuki.audit.results import FeedChecks, Fit
    from dokunuki.corpus.vectors import Vectors


def fit_of(
    vectors: Vectors, checks: FeedChecks, detector: str, *, seed: int, threads: int, device: str
) -> Fit | None:
    """The detector as the feed makes it, or None where the checks rule that out."""
    if checks.obstacles:
        return None
    return fit_as_is(*vectors.part(FEED), detector, seed=seed, threads=threads, device=device)
