"""The panels of the paper's figures 2-4: what is drawn over what.

Read while the workflow is parsed, and therefore light.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Measure = Literal["asr", "accuracy"]
Axis = Literal["trigger_size", "poison_rate"]


@dataclass(frozen=True)
class Panel:
    """A measure over N or over p; the other of the two is fixed. `letter` is its place on a page.

    `label` is what the report calls it.
    """

    letter: str
    measure: Measure
    axis: Axis
    label: str


PANELS = {
    "asr-over-n": Panel("a", "asr", "trigger_size", "a: ASR over N"),
    "asr-over-p": Panel("b", "asr", "poison_rate", "b: ASR over p"),
    "accuracy-over-n": Panel("c", "accuracy", "trigger_size", "c: accuracy over N"),
    "accuracy-over-p": Panel("d", "accuracy", "poison_rate", "d: accuracy over p"),
}
"""The panels by the names of their files, in the order of the page."""
