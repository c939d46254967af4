"""From candidates to what they do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dokunuki.audit.preparing import prepare_feed
from dokunuki.audit.proving import prove_triggers
from dokunuki.audit.stages.reading import FEED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dokunuki.audit.results import Candidate, FeedChecks, Finding, Fit
    from dokunuki.corpus.vectors import Vectors


def findings_of(
    vectors: Vectors,
    checks: FeedChecks,
    fit: Fit | None,
    candidates: Sequence[Candidate],
    *,
    seed: int,
    threads: int,
    device: str,
) -> tuple[Finding, ...]:
    """The candidates that were put to the proof."""
    if fit is None or not candidates:
        return ()
    feed = prepare_feed(*vectors.part(FEED), checks)
    return prove_triggers(
        feed, candidates, fit, vectors.layout, seed=seed, threads=threads, device=device
    )
