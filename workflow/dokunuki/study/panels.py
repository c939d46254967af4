"""The panels of an attack: what is drawn over what; those with a letter are the paper's.

Read while the workflow is parsed, and therefore light.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Measure = Literal["asr", "delta_asr", "accuracy"]
Axis = Literal["trigger_size", "poison_rate"]


@dataclass(frozen=True)
class Panel:
    """A measure over N or over p; the other of the two is fixed.

    `letter` is what the paper calls it, empty for a panel of ours; `label` is what the report does.
    """

    letter: str
    measure: Measure
    axis: Axis
    label: str


PANELS = {
    "asr-over-n": Panel("a", "asr", "trigger_size", "a: ASR over N"),
    "asr-over-p": Panel("b", "asr", "poison_rate", "b: ASR over p"),
    "delta-asr-over-n": Panel("", "delta_asr", "trigger_size", "delta ASR over N"),
    "delta-asr-over-p": Panel("", "delta_asr", "poison_rate", "delta ASR over p"),
    "accuracy-over-n": Panel("c", "accuracy", "trigger_size", "c: accuracy over N"),
    "accuracy-over-p": Panel("d", "accuracy", "poison_rate", "d: accuracy over p"),
}
"""The panels by the names of their files, in the order of the page."""


def answer_cell(grid: Mapping[str, Any]) -> dict[str, float]:
    """N and p (percent) at which the report sets every attack against every defence.

    Those that the grid holds fixed. Where neither of them is among the values of its sweep, no run
    stands there, and the largest N at the fixed p is taken.
    """
    size, rate = grid["fixed_trigger_size"], grid["fixed_poison_rate"]
    if size not in grid["trigger_sizes"] and rate not in grid["poison_rates"]:
        size = max(grid["trigger_sizes"])
    return {"poison_rate": float(rate), "trigger_size": size}
