"""Pure evasion, p = 0: triggers on detectors that were trained without poison."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dokunuki.networks.settings import TrainingDivergedError
from dokunuki.progress import logger
from dokunuki.storage.files import read_json
from dokunuki.victims.building import load_detector
from dokunuki.victims.divergence import DIVERGED_FILE, raise_divergence
from dokunuki.victims.scores import EvasionKey, empty_scores

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from dokunuki.attacks.trigger import Trigger
    from dokunuki.corpus.vectors import Vectors
    from dokunuki.detector import Detector


def score_evasion(
    vectors: Vectors,
    trigger: Trigger,
    sizes: Sequence[int],
    detectors: Sequence[tuple[Mapping[str, Any], str | Path]],
    *,
    device: str,
) -> dict[EvasionKey, np.ndarray]:
    """Score the malware with triggers on unpoisoned detectors.

    `detectors` are their specs and the folders that `train_unpoisoned` saved them to. Each one
    meets the first N features of the trigger, for all N in `sizes`. The scores are float32 (m,),
    and empty for a detector that diverged.
    """
    malware, _ = vectors.part("validation")
    scores = {}
    for spec, folder in detectors:
        try:
            detector: Detector | None = _load_unpoisoned(folder, spec, device)
        except TrainingDivergedError as error:
            logger.warning("there is no unpoisoned detector in %s: %s", folder, error)
            detector = None
        for size in sizes:
            key = EvasionKey(spec["defence"]["name"], spec["classifier"]["name"], size)
            scores[key] = (
                empty_scores()
                if detector is None
                else detector.malware_scores(trigger.prefix(size).stamp(malware))
            )
    return scores


def _load_unpoisoned(folder: str | Path, spec: Mapping[str, Any], device: str) -> Detector:
    """What `train_unpoisoned` saved; raises TrainingDivergedError when it had diverged."""
    marker = Path(folder) / DIVERGED_FILE
    if marker.is_file():
        raise_divergence(read_json(marker, folder))
    return load_detector(folder, spec, device=device)
