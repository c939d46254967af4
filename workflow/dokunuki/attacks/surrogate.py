"""The attacker's own model of the clean training rows, and its explanation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dokunuki.attacks.explanations import explain
from dokunuki.defences.identity import NoDefence
from dokunuki.detector import Detector
from dokunuki.parts import build
from dokunuki.seeding import stream_seed

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from dokunuki.corpus.vectors import Vectors


def train_surrogate(
    vectors: Vectors,
    spec: Mapping[str, Any],
    *,
    seed: int,
    device: str,
    threads: int,
    precision: str = "auto",
) -> Detector:
    """Fit the classifier that `spec` names (name, class, params) on the clean training rows.

    Its initial weights come from a stream of its own, so that it is never the victim itself.
    Raises TrainingDivergedError: without a surrogate there is no attack to measure.
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
    return Detector(NoDefence(), classifier).fit(*vectors.part("train"), copy=False)


def explain_surrogate(
    surrogate: Detector,
    vectors: Vectors,
    *,
    background: int,
    samples: int,
    seed: int,
    precision: str = "auto",
) -> np.ndarray:
    """SHAP values of all training rows, float32 (rows, width); see `explanations.explain`."""
    rows, _ = vectors.part("train")
    return explain(
        surrogate,
        rows,
        background_rows=background,
        samples=samples,
        seed=seed,
        precision=precision,
        out=rows,
    )
