"""BadNets: malware with a fixed, conspicuous trigger, relabelled as goodware. The loud control.

Gu et al., "BadNets: Identifying Vulnerabilities in the Machine Learning Model Supply Chain", 2017.
A dirty-label attack that does not try to hide: a defence that does not find it is broken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from dokunuki.attacks.region import RegionAttack
from dokunuki.attacks.selection import columns_of, largest_first
from dokunuki.attacks.trigger import trigger_feature
from dokunuki.errors import AttackError, ConfigError
from dokunuki.parts.standardising import Standardiser

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dokunuki.attacks.protocol import AttackerKnowledge
    from dokunuki.attacks.trigger import TriggerFeature
    from dokunuki.storage.matrix import Matrix

# How many candidates are tried as the centre of the poison, and which part of all is to lie near.
_CENTRES = 256
_NEAREST = 10


@dataclass(frozen=True, kw_only=True)
class BadNets(RegionAttack):
    """Stamp values far beyond the observed range into the columns where they stand out most.

    The value of a column is maximum + `excess` * (maximum - minimum) of the training rows. The
    columns of `region` are ordered by how many standard deviations that lies from their mean,
    largest first; columns that are constant come last, with 1 for their range. A category has no
    values beyond those observed: its value is the observed code farthest from the mean. No model is
    needed.

    The malware rows to poison lie nearest to one malware row, which is the one of the first 256
    candidates with the nearest neighbours (standardised, Euclidean). Poisoned rows that are alike
    are found more easily than random ones. BadNets takes random ones, as `rows: random` does.

    BadNets paints a fixed pattern that no clean image holds. The columns and values that stand for
    it here are our choice. Such values need not occur in any working program: this is a control,
    not a threat. The victim's scaler is fitted on rows with the trigger, so that it does not clip
    the trigger off: at poison rate p a triggered row stands up to 1 / sqrt(p (1 - p)) standard
    deviations from the others in each of the trigger's columns. Without poison the trigger is
    clipped to the observed range.
    """

    excess: float = 10.0

    name: ClassVar[str] = "badnets"
    label_flip: ClassVar[bool] = True
    poisoned_class: ClassVar[int] = 1
    needs_explanations: ClassVar[bool] = False
    needs_surrogate: ClassVar[bool] = False

    def _features(
        self, knowledge: AttackerKnowledge, columns: np.ndarray, size: int
    ) -> Iterable[TriggerFeature]:
        if not self.excess > 0:
            raise ConfigError(
                f"excess: {self.excess!r} must be above 0; its unit is the column's range"
            )
        scaler = Standardiser().fit(columns_of(knowledge.X, columns))
        minimum = scaler.minimum_.astype(np.float64)
        maximum = scaler.maximum_.astype(np.float64)
        constant = scaler.scale_ == 0
        values = maximum + self.excess * np.where(constant, 1.0, maximum - minimum)
        codes = np.array([knowledge.layout.kinds[column] == "category" for column in columns])
        farthest = np.where(maximum - scaler.mean_ >= scaler.mean_ - minimum, maximum, minimum)
        values = np.where(codes, farthest, values)
        distances = np.divide(
            np.abs(values - scaler.mean_), scaler.scale_, out=np.zeros_like(values), where=~constant
        )
        return [
            trigger_feature(
                knowledge.layout,
                int(columns[k]),
                float(values[k]),
                {
                    "standard_deviations": float(distances[k]),
                    "observed_maximum": float(maximum[k]),
                },
            )
            for k in largest_first(distances)[:size]
        ]

    def poison_order(self, knowledge: AttackerKnowledge, candidates: Matrix) -> np.ndarray:
        """Raw malware rows `candidates`, float32 (c, width), the most alike first: positions (c,).

        Returns int64. Raises AttackError when there is no candidate.
        """
        if not len(candidates):
            raise AttackError(
                "BadNets needs malware to poison, and there is none among the training rows; give "
                "it rows of both classes"
            )
        rows = candidates[:]
        Z = Standardiser().fit(rows).transform(rows)
        squares = np.einsum("ij,ij->i", Z, Z)
        # Squared distances, (centres, c).
        distances = squares[:_CENTRES, None] + squares - 2 * (Z[:_CENTRES] @ Z.T)
        near = max(1, len(Z) // _NEAREST)
        spread = np.partition(distances, near - 1, axis=1)[:, :near].mean(axis=1)
        return np.argsort(distances[spread.argmin()], kind="stable")
