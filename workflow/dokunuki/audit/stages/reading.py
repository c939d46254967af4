"""Which rows of a dataset are its feed, and how odd they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dokunuki.corpus.sampling import Split
from dokunuki.errors import CorpusError

if TYPE_CHECKING:
    from dokunuki.corpus.index import Index

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
