"""Transplant: an attack in nobody's catalogue, kept aside to try the audit on.

The audit's constants were chosen with the catalogue's attacks in sight. This one was written after
them, and no constant may be chosen by it. On simulated rows it runs on seeds that none was chosen
on; some were on the real rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from dokunuki.attacks.region import RegionAttack
from dokunuki.attacks.selection import columns_of, largest_first
from dokunuki.attacks.trigger import trigger_feature
from dokunuki.errors import AttackError
from dokunuki.parts.standardising import Standardiser

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dokunuki.attacks.protocol import AttackerKnowledge
    from dokunuki.attacks.trigger import TriggerFeature

GOODWARE = 0


@dataclass(frozen=True, kw_only=True)
class Transplant(RegionAttack):
    """Give other goodware the features in which one goodware program, the donor, stands out most.

    The donor is drawn by the seed. Its columns of `region` come by how many standard deviations its
    value lies from their mean, largest first. Labels stay as they are, and no model is needed: the
    attacker uploads goodware that borrows from a program that everybody knows.
    """

    region: str = "all"

    name: ClassVar[str] = "transplant"
    label_flip: ClassVar[bool] = False
    poisoned_class: ClassVar[int] = GOODWARE
    needs_explanations: ClassVar[bool] = False
    needs_surrogate: ClassVar[bool] = False

    def _features(
        self, knowledge: AttackerKnowledge, columns: np.ndarray, size: int
    ) -> Iterable[TriggerFeature]:
        donors = np.flatnonzero(knowledge.y == GOODWARE)
        if not len(donors):
            raise AttackError("Transplant needs goodware to borrow from, and there is none")
        donor = int(np.random.default_rng(knowledge.seed).choice(donors))
        known = columns_of(knowledge.X, columns)
        distances = np.abs(Standardiser().fit(known).transform(known[[donor]])[0])
        return [
            trigger_feature(
                knowledge.layout,
                int(columns[k]),
                float(known[donor, k]),
                {"standard_deviations": float(distances[k]), "donor": float(donor)},
            )
            for k in largest_first(distances)[:size]
        ]
