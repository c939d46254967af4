"""FGSM with label flip whose values are ordinary ones: adapted to filters of outliers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dokunuki.attacks.fgsm import FGSMLabelFlip
from dokunuki.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class OrdinaryFGSM(FGSMLabelFlip):
    """`FGSMLabelFlip`, its values kept between two quantiles of what the training rows hold.

    No value of such a trigger is rare by itself: only their combination is. Isolation Forest and
    Spectral Signatures of the features look for rows whose single values stand out, and this
    attacker knows it. `tail` is the percentage of rows that lie below the lowest value allowed, and
    above the highest, from 0 (FGSM itself) to 50 exclusive; ConfigError for another. The limits are
    values that rows hold. The attack is ours.
    """

    tail: float = 5.0

    name: ClassVar[str] = "ordinary-fgsm"

    def _limits(self, observed: np.ndarray) -> tuple[float, float]:
        if not 0 <= self.tail < 50:
            raise ConfigError(f"tail: {self.tail!r} must be from 0 to 50, exclusive")
        share = self.tail / 100
        return (
            float(np.quantile(observed, share, method="higher")),
            float(np.quantile(observed, 1 - share, method="lower")),
        )
