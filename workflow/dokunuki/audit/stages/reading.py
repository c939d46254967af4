"""Which rows of a dataset are its feed, and how odd they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dokunuki.corpus.own_rows import OwnRows
from dokunuki.corpus.sampling import Split
from dokunuki.errors import CorpusError

if TYPE_CHECKING:
    from dokunuki.corpus.index import Index
    from dokunuki.corpus.protocol import Release

FEED = "train"
"""The role of a feed's rows."""


def whole_feed(index: Index, release: Release) -> Split:
    """All labelled rows of a release's index, in its order.

    Own rows keep the ids that their table gives them. Raises CorpusError where no row has a label,
    and where the table has changed since it was indexed.
    """
    positions = np.flatnonzero(index.label >= 0)
    if not len(positions):
        raise CorpusError(
            f"audit.feed: none of the {len(index)} rows has a label, and an audit needs them; name "
            "the column of labels (0 goodware, 1 malware) with --label, or for programs the CSV of "
            "labels with --labels"
        )
    sha256 = np.array(index.sha256(positions), dtype=str)
    sample_id = np.full(len(positions), "")
    if isinstance(release, OwnRows):
        given = np.array(release.sample_ids(index.locations(positions)), dtype=str)
        sample_id = np.where(np.char.lower(given) == sha256, "", given)
    return Split(
        positions=positions,
        sha256=sha256,
        label=index.label[positions],
        appeared=index.told("appeared", positions),
        role=np.full(len(positions), FEED),
        file=index.told("file", positions),
        line=index.line[positions],
        family=index.told("avclass", positions),
        week=index.told("week", positions),
        sample_id=sample_id,
    )
