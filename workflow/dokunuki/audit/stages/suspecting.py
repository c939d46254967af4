"""What the judges say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dokunuki.audit.feed_checks import obstacles
from dokunuki.audit.preparing import prepare_feed
from dokunuki.audit.stages.reading import FEED
from dokunuki.audit.suspecting import find_suspects

if TYPE_CHECKING:
    from dokunuki.audit.results import FeedChecks, Fit, Suspects
    from dokunuki.corpus.vectors import Vectors


def suspects_of(
    vectors: Vectors, checks: FeedChecks, fit: Fit | None, *, seed: int, threads: int
) -> Suspects | None:
    """What the judges say, or None where nothing can be told."""
    if fit is None or obstacles(checks, fit):
        return None
    feed = prepare_feed(*vectors.part(FEED), checks)
    return find_suspects(feed, fit, vectors.layout, seed=seed, threads=threads)
