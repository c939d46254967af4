"""A training that diverged, as a record in place of the model that it did not give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dokunuki.networks.settings import TrainingDivergedError
from dokunuki.victims.scores import DIVERGED

if TYPE_CHECKING:
    from collections.abc import Mapping

# In a detector's folder, in place of the detector.
DIVERGED_FILE = "diverged.json"


def divergence(error: TrainingDivergedError) -> dict[str, Any]:
    """The error as JSON. The loss is text, since JSON has no NaN."""
    return {"status": DIVERGED, "epoch": error.epoch, "loss": str(error.loss)}


def raise_divergence(record: Mapping[str, Any]) -> None:
    """Raise the TrainingDivergedError that `record` tells of; nothing for any other record."""
    if record.get("status") == DIVERGED:
        raise TrainingDivergedError(record["epoch"], float(record["loss"]))
