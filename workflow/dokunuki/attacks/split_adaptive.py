"""A trigger that survives an autoencoder, split over the poisoned rows."""

from __future__ import annotations

from dataclasses import dataclass

from dokunuki.attacks.adaptive import AutoencoderAdaptive
from dokunuki.attacks.split import SplitTrigger


@dataclass(frozen=True, kw_only=True)
class SplitAutoencoderAdaptive(SplitTrigger, AutoencoderAdaptive):
    """`AutoencoderAdaptive`, its trigger split over the poisoned rows.

    A defence that looks for values that all poisoned rows share (MDR) finds none. The autoencoder
    and the probes are drawn anew, so the trigger may differ from that of the attack without split.
    """

    name = "split-adaptive"
