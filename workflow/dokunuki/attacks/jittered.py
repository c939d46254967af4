"""Triggers that jitter: each poisoned row holds values of its own near the trigger's.

No two poisoned rows need share a value. Malware that evades holds the trigger's own values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dokunuki.attacks.adaptive import AutoencoderAdaptive
from dokunuki.attacks.fgsm import FGSMLabelFlip
from dokunuki.errors import ConfigError
from dokunuki.seeding import generator

if TYPE_CHECKING:
    from dokunuki.attacks.trigger import Trigger

_UNCHANGED = ("flag", "category")


@dataclass(frozen=True, kw_only=True)
class JitteredTrigger:
    """Mixin, before an attack's class: its poisoned rows hold values around those of the trigger.

    A value is drawn evenly within `jitter` standard deviations of the trigger's, and kept within
    the range of the training rows. Counts stay whole numbers. Flags and categories stay as the
    trigger has them, since the next value means another thing. Judges that look for values, or
    narrow ranges, that rows share (MDR, the audit's) find less of it, the wider it is. The attack
    is ours.
    """

    jitter: float = 0.5

    def poison_values(
        self, trigger: Trigger, observed: np.ndarray, count: int, seed: int
    ) -> np.ndarray:
        """The values of `count` poisoned rows, float32 (count, N), as `VariesTrigger` says.

        Raises ConfigError for a jitter that is not a positive number.
        """
        if not 0 < self.jitter < np.inf:
            raise ConfigError(f"jitter: {self.jitter!r} must be a positive number")
        values = np.tile(trigger.values, (count, 1)).astype(np.float64)
        for k, feature in enumerate(trigger.columns):
            if feature.kind in _UNCHANGED:
                continue
            held = observed[:, k]
            # A stream for each feature: a shorter trigger's values are among a longer one's.
            draw = generator(seed, "jitter", k)
            width = self.jitter * float(np.std(held, dtype=np.float64))
            values[:, k] += draw.uniform(-width, width, count)
            if feature.kind == "count":
                values[:, k] = np.floor(values[:, k] + 0.5)
            # The trigger's own value may lie outside, and then is an end of the range.
            lowest = min(float(held.min()), feature.value)
            highest = max(float(held.max()), feature.value)
            values[:, k] = values[:, k].clip(lowest, highest)
        return values.astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class JitteredFGSM(JitteredTrigger, FGSMLabelFlip):
    """FGSM with label flip, its values varied over the poisoned malware rows."""

    name = "jittered-fgsm"


@dataclass(frozen=True, kw_only=True)
class JitteredAutoencoderAdaptive(JitteredTrigger, AutoencoderAdaptive):
    """`AutoencoderAdaptive`, its values varied over the poisoned rows."""

    name = "jittered-adaptive"
