"""The stages as jobs of the workflow: each takes the files of those before it.

A feed is the training part of `corpus.vectors`, and stays in its file between stages. Where nothing
can be told of a feed, the later stages have nothing to say and fit nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dokunuki.audit.feed_checks import check_feed
from dokunuki.audit.fitting import fit_as_is
from dokunuki.audit.inverting import invert_triggers
from dokunuki.audit.proving import prove_triggers
from dokunuki.audit.running import obstacles, prepare_feed
from dokunuki.audit.suspecting import find_suspects
from dokunuki.corpus.sampling import Split
from dokunuki.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dokunuki.audit.results import Candidate, FeedChecks, Finding, Fit, Suspects
    from dokunuki.corpus.index import Index
    from dokunuki.corpus.vectors import Vectors

FEED = "train"
"""The role of a feed's rows."""


def whole_feed(index: Index) -> Split:
    """All labelled rows of an index, in its order; raises CorpusError where there is none."""
    positions = np.flatnonzero(index.label >= 0)
    if not len(positions):
        raise CorpusError(
            f"none of the {len(index)} rows has a label: an audit asks whether labels and features "
            "belong together; name the column of labels, 0 for goodware and 1 for malware"
        )
    return Split(
        positions=positions,
        sha256=np.array(index.sha256(positions), dtype=str),
        label=index.label[positions],
        appeared=index.told("appeared", positions),
        role=np.full(len(positions), FEED),
        file=index.told("file", positions),
        line=index.line[positions],
        family=index.told("avclass", positions),
        week=index.told("week", positions),
    )


def checks_of(vectors: Vectors) -> FeedChecks:
    """What the rows of a feed look like before anything is fitted."""
    return check_feed(*vectors.part(FEED), vectors.layout)


def fit_of(
    vectors: Vectors, checks: FeedChecks, detector: str, *, seed: int, threads: int, device: str
) -> Fit | None:
    """The detector as the feed makes it, or None where the checks rule that out."""
    if checks.obstacles:
        return None
    return fit_as_is(*vectors.part(FEED), detector, seed=seed, threads=threads, device=device)


def suspects_of(
    vectors: Vectors, checks: FeedChecks, fit: Fit | None, *, seed: int, threads: int
) -> Suspects | None:
    """What the judges say, or None where nothing can be told."""
    if fit is None or obstacles(checks, fit):
        return None
    feed = prepare_feed(*vectors.part(FEED), checks)
    return find_suspects(feed, fit, vectors.layout, seed=seed, threads=threads)


def candidates_of(
    vectors: Vectors, checks: FeedChecks, suspects: Suspects | None, *, seed: int
) -> tuple[Candidate, ...]:
    """What may be a trigger."""
    if suspects is None or not any(judge.groups for judge in suspects.evidence):
        return ()
    return invert_triggers(prepare_feed(*vectors.part(FEED), checks), suspects, seed)


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
