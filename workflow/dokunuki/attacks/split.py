"""Triggers split over the poisoned rows: a row holds one part, malware that evades holds them all.

No poisoned row shows the whole trigger, and no two parts share a column. So poisoned rows are less
alike than those of the attack that chose the trigger.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dokunuki.attacks.fgsm import FGSMLabelFlip
from dokunuki.attacks.independent import IndependentSelection
from dokunuki.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class SplitTrigger:
    """Mixin, before an attack's class: splits its trigger into `groups` parts.

    Feature k of the trigger, 0-based in the order chosen, is in part k mod `groups`. The i-th
    poisoned row holds part i mod `groups`, so that every prefix of the rows and of the trigger
    is split alike. A trigger shorter than `groups` leaves some rows without any of it: only their
    label changes, where it is flipped. The attack is ours, after distributed triggers in federated
    learning, where the parts come from different clients (Xie et al., "DBA: Distributed Backdoor
    Attacks against Federated Learning", ICLR 2020).
    """

    groups: int = 4

    def poison_mask(self, count: int, size: int, seed: int) -> np.ndarray:
        """Which of `size` features each of `count` poisoned rows holds, bool (count, size).

        `seed` decides nothing, since the rows stand in random order or in the attack's own. Raises
        ConfigError for fewer than two groups.
        """
        if self.groups < 2:
            raise ConfigError(f"groups: {self.groups!r} must be at least 2 to split a trigger")
        mask: np.ndarray = np.arange(count)[:, None] % self.groups == np.arange(size) % self.groups
        return mask


@dataclass(frozen=True, kw_only=True)
class SplitFGSM(SplitTrigger, FGSMLabelFlip):
    """FGSM with label flip, its trigger split over the poisoned malware rows."""

    name = "split-fgsm"


@dataclass(frozen=True, kw_only=True)
class SplitIndependent(SplitTrigger, IndependentSelection):
    """Independent Selection, its trigger split over the poisoned goodware rows."""

    name = "split-independent"
