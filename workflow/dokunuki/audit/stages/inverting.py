"""From suspects to what may be a trigger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dokunuki.audit.inverting import invert_triggers
from dokunuki.audit.preparing import prepare_feed
from dokunuki.audit.stages.reading import FEED

if TYPE_CHECKING:
    from dokunuki.audit.results import Candidate, FeedChecks, Suspects
    from dokunuki.corpus.vectors import Vectors


def candidates_of(
    vectors: Vectors, checks: FeedChecks, suspects: Suspects | None, *, seed: int
) -> tuple[Candidate, ...]:
    """What may be a trigger."""
    if suspects is None or not any(judge.groups for judge in suspects.evidence):
        return ()
    return invert_triggers(prepare_feed(*vectors.part(FEED), checks), suspects, seed)
