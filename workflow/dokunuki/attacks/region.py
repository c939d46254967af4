"""The base of the attacks here: a trigger in one region of the columns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from dokunuki.attacks.selection import manipulable_columns
from dokunuki.attacks.trigger import Trigger
from dokunuki.errors import AttackError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np

    from dokunuki.attacks.protocol import AttackerKnowledge
    from dokunuki.attacks.trigger import TriggerFeature
    from dokunuki.corpus.layout import FeatureLayout


@dataclass(frozen=True, kw_only=True)
class RegionAttack(ABC):
    """Makes a Trigger of the features that a subclass chooses; a base for one's own attacks too.

    `region` names the manipulable set M: non_hashed, feasible, all (attackable), undefended or
    every (the last two together).
    """

    region: str = "non_hashed"

    @property
    @abstractmethod
    def name(self) -> str:
        """What triggers say about their origin."""

    @property
    @abstractmethod
    def label_flip(self) -> bool:
        """Whether poisoned rows get the other class's label too."""

    @abstractmethod
    def _features(
        self, knowledge: AttackerKnowledge, columns: np.ndarray, size: int
    ) -> Iterable[TriggerFeature]:
        """`size` features among the `columns` of the region, int64 (c,), in order of choice."""

    def longest(self, layout: FeatureLayout) -> int:
        """The size of the region; raises ConfigError when it is unknown."""
        return len(layout.columns(self.region))

    def select_trigger(self, knowledge: AttackerKnowledge, size: int) -> Trigger:
        """Choose `size` features and their values.

        Raises AttackError when the region is too small, there are no rows, or the knowledge lacks
        what the attack needs, ConfigError for an unknown region or another parameter out of range.
        """
        columns = manipulable_columns(knowledge.layout, self.region, size)
        if not len(knowledge.X):
            raise AttackError(
                f"{type(self).__name__} needs training rows, and there are none: raise "
                "attacker_share"
            )
        return Trigger(
            attack=self.name,
            columns=tuple(self._features(knowledge, columns, size)),
            label_flip=self.label_flip,
            surrogate=knowledge.name,
            seed=knowledge.seed,
            parameters=asdict(self),
            layout=knowledge.layout,
            dataset=knowledge.dataset,
        )
