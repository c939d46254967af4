"""A trigger that survives an autoencoder, split over the poisoned rows."""

from __future__ import annotations

from dataclasses import dataclass

from dokunuki.attacks.adaptive import AutoencoderAdaptive
from dokunuki.attacks.split import SplitTrigger


@dataclass(frozen=True, kw_only=True)
class SplitAutoencoderAdaptive(SplitTrigger, AutoencoderAdaptive):
    """`AutoencoderAdaptive`, its trigger split over the poisoned rows.

    Who looks for values that all poisoned rows share (MDR) finds none. Its autoencoder and probes
    are drawn anew, so that the trigger need not be the one of the attack that is not split.
    """

    name = "split-adaptive"
