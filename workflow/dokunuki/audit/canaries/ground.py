"""What canaries are planted into, and what their attacker knows: made once for all of them.

Copies hold the feed without the rows of what the audit itself proved or suspects: a backdoor that
is in the feed already would be found in every copy, and be counted as the canary. Some malware is
kept out of them, so that a trigger is tried on malware that no detector of a copy has seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from dokunuki.audit.feed_checks import MALWARE
from dokunuki.audit.results import Ground
from dokunuki.audit.settings import DETECTORS, unfitted_detector
from dokunuki.corpus.vectors import Vectors
from dokunuki.errors import AttackError
from dokunuki.networks.settings import TrainingDivergedError
from dokunuki.seeding import generator, stream_seed
from dokunuki.storage.matrix import only_rows
from dokunuki.surrogate.explaining import explain_surrogate
from dokunuki.surrogate.training import train_surrogate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dokunuki.audit.results import Finding
    from dokunuki.detector import Detector

SURROGATE = "embernn"
"""The attacker's model, also where the audit's detector is another: attacks need its gradients."""

# Malware to try triggers on: at most so many rows, and this part of all malware.
_RESERVED, _RESERVED_PART = 150, 5
# More rows than these make no better attacker, and take their time.
_KNOWN_ROWS = 10_000
_BACKGROUND, _SAMPLES = 100, 20
_TRAIN, _RESERVE = "train", "validation"


@dataclass(frozen=True)
class Attacker:
    """The surrogate, its SHAP values of the rows that are known, and the detector before poison.

    `explanations` are float32 (k, width), of the known rows. `unpoisoned` is fitted on the rows of
    the copies as they are without a canary.
    """

    surrogate: Detector
    explanations: np.ndarray
    unpoisoned: Detector


def ground_of(
    y: np.ndarray, findings: Sequence[Finding], obstacles: Sequence[str] = (), *, seed: int
) -> Ground:
    """Which rows of a feed with labels `y` (n,) copies hold, and which malware they do not.

    `obstacles` say why nothing can be told of the feed, see `feed_checks.obstacles`.
    """
    kept = np.ones(len(y), dtype=bool)
    for finding in findings:
        if finding.outcome in ("proved", "suspicious"):
            kept[finding.rows] = False
    malware = np.flatnonzero(kept & (y == MALWARE))
    count = min(_RESERVED, len(malware) // _RESERVED_PART)
    draw = generator(seed, "audit", "canaries", "reserve")
    reserve = np.sort(draw.permutation(malware)[:count])
    kept[reserve] = False
    rows = np.flatnonzero(kept)
    reasons = tuple(obstacles) or (() if count else ("no malware is left to test the trigger on",))
    # A share has two decimals, and is a part of what is meant at most.
    share = min(100.0, math.floor(10_000 * _KNOWN_ROWS / max(1, len(rows))) / 100)
    return Ground(rows, reserve, share, reasons[0] if reasons else "")


def ground_vectors(vectors: Vectors, ground: Ground) -> Vectors:
    """The rows of a copy (role train) and the malware kept out of it (role validation).

    Rows that are still in their file are not read.
    """
    rows = np.concatenate([ground.rows, ground.reserve])
    role = np.array([_TRAIN] * len(ground.rows) + [_RESERVE] * len(ground.reserve), dtype=str)
    return Vectors(
        X=only_rows(vectors.X, rows),
        y=vectors.y[rows],
        sha256=vectors.sha256[rows],
        appeared=vectors.appeared[rows],
        role=role,
        layout=vectors.layout,
        dataset=vectors.dataset,
        corpus=vectors.corpus,
    )


def canary_seed(seed: int) -> int:
    """The attacker's seed; its draws are independent of the audit's."""
    return stream_seed(seed, "audit", "canaries")


def train_attacker(
    ground: Vectors,
    share: float,
    detector: str,
    *,
    seed: int,
    threads: int,
    device: str = "auto",
) -> Attacker:
    """Train the surrogate, explain it, and fit the audit's `detector` without any poison.

    `ground` is `ground_vectors`, `share` the percent of its rows that the attacker knows. Raises
    AttackError where that share has no row of a class, and TrainingDivergedError.
    """
    class_path, params = DETECTORS[SURROGATE]
    spec = {"name": SURROGATE, "class": class_path, "params": params}
    own = canary_seed(seed)
    surrogate = train_surrogate(ground, spec, seed=own, device=device, threads=threads, share=share)
    explanations = explain_surrogate(
        surrogate, ground, background=_BACKGROUND, samples=_SAMPLES, seed=own, share=share
    )
    unpoisoned = unfitted_detector(detector, seed=seed, threads=threads, device=device)
    unpoisoned.fit(*ground.part(_TRAIN), copy=False)
    return Attacker(surrogate, explanations, unpoisoned)


def prepare_ground(
    vectors: Vectors,
    findings: Sequence[Finding],
    obstacles: Sequence[str],
    detector: str,
    *,
    seed: int,
    threads: int,
    device: str = "auto",
) -> tuple[Ground, Attacker | None]:
    """All that canaries share; the attacker is None where the ground's `obstacle` rules one out.

    `vectors` are the feed's rows in any role; for the other arguments see `ground_of` and
    `train_attacker`.
    """
    ground = ground_of(vectors.y, findings, obstacles, seed=seed)
    if ground.obstacle:
        return ground, None
    try:
        attacker = train_attacker(
            ground_vectors(vectors, ground),
            ground.share,
            detector,
            seed=seed,
            threads=threads,
            device=device,
        )
    except (AttackError, TrainingDivergedError) as error:
        return replace(ground, obstacle=str(error)), None
    return ground, attacker
