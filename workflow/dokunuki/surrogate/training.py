"""The attacker's own model of the clean training rows that it knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dokunuki.detector import Detector
from dokunuki.parts.building import build
from dokunuki.seeding import stream_seed
from dokunuki.surrogate.share import known_part

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dokunuki.corpus.vectors import Vectors


def train_surrogate(
    vectors: Vectors,
    spec: Mapping[str, Any],
    *,
    seed: int,
    device: str,
    threads: int,
    precision: str = "auto",
    share: float = 100,
) -> Detector:
    """Fit the classifier that `spec` names (name, class, params) on the clean training rows.

    It sees `share` percent of them, see `share.known_rows`. Its initial weights come from a stream
    of its own, so that it is never the victim itself. Raises TrainingDivergedError: without a
    surrogate there is no attack to measure.
    """
    classifier = build(
        spec["class"],
        spec["params"],
        seed=stream_seed(seed, "surrogate", spec["name"]),
        device=device,
        threads=threads,
        precision=precision,
        layout=vectors.layout,
    )
    return Detector([], classifier).fit(*known_part(vectors, share, seed), copy=False)
