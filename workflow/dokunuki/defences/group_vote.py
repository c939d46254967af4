"""A vote of judges that see disjoint feature groups: no region is assumed to be clean.

Cross-examination hides a region of columns, and is blind to a trigger outside it. Here each feature
group has a judge of its own, which sees no other column. A trigger fools the judges of the groups
that it reaches. The others still see the row as what it is, so that a few of them suffice to
contradict its label. After partition aggregation (Levine and Feizi, "Deep Partition Aggregation",
ICLR 2021), with columns in place of rows and labels in place of predictions; the combination is
ours.

What an adversary can do against it. A trigger that reaches all groups but `quorum` - 1 leaves too
few judges. Malware that looks like goodware in most groups is not contradicted. Poisoned goodware
is rightly labelled: nothing is found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dokunuki.defences.cross_examination import (
    Relabelling,
    check_examination,
    scores_out_of_fold,
)
from dokunuki.defences.filtering import GOODWARE
from dokunuki.errors import ConfigError

if TYPE_CHECKING:
    from dokunuki.corpus.layout import FeatureLayout


@dataclass(eq=False, repr=False)
class GroupVote(Relabelling):
    """Calls malware the goodware rows that the judges of `quorum` feature groups call malware.

    A judge is extremely randomised trees (`trees` of them) that see one group of the layout. It
    votes on rows that it was not trained on, out of `folds`. It votes malware where its probability
    is at least `threshold`, and else abstains. A judge abstains on all rows where its own mean
    accuracy over both labels, out of fold, is below `least_accuracy`: groups that tell the classes
    apart badly have no say.

    After `fit_resample`: `contradicted_` (bool (n,)), the rows whose label was changed; `votes_`
    (int64 (n,)), how many judges called each row malware; `judges_`, the names of the groups that
    had a say.
    """

    layout: FeatureLayout
    quorum: int = 3
    threshold: float = 0.7
    least_accuracy: float = 0.7
    folds: int = 5
    trees: int = 100
    seed: int = 0
    threads: int = 1

    def _suspicious(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        self._check_parameters()
        goodware = y == GOODWARE
        self.votes_ = np.zeros(len(X), dtype=np.int64)
        judges = []
        for name, columns in self.layout.groups.items():
            scores = scores_out_of_fold(self, np.ascontiguousarray(X[:, columns]), y)
            right = (scores < 0.5) == goodware
            if (right[goodware].mean() + right[~goodware].mean()) / 2 >= self.least_accuracy:
                judges.append(name)
                self.votes_ += scores >= self.threshold
        self.judges_ = tuple(judges)
        contradicted: np.ndarray = goodware & (self.votes_ >= self.quorum)
        self.contradicted_ = contradicted
        return contradicted

    def _check_parameters(self) -> None:
        check_examination(self)
        groups = len(self.layout.groups)
        if not 1 <= self.quorum <= groups:
            raise ConfigError(
                f"quorum: {self.quorum!r} must be from 1 to {groups}, the feature groups of "
                f"{self.layout.name}"
            )
        if not 0 <= self.least_accuracy <= 1:
            raise ConfigError(f"least_accuracy: {self.least_accuracy!r} must be in [0, 1]")
