"""What a feed looks like before anything is fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dokunuki.audit.feed_checks import check_feed
from dokunuki.audit.stages.reading import FEED

if TYPE_CHECKING:
    from dokunuki.audit.results import FeedChecks
    from dokunuki.corpus.vectors import Vectors


def checks_of(vectors: Vectors) -> FeedChecks:
    """What the rows of a feed look like before anything is fitted."""
    return check_feed(*vectors.part(FEED), vectors.layout)
