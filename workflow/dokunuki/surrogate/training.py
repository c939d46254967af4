"""The attacker's own model of the clean training rows that it knows, and its explanation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dokunuki.detector import Detector
from dokunuki.parts.building import build
from dokunuki.seeding import stream_seed
from dokunuki.surrogate.explanations import explain
from dokunuki.surrogate.share import known_rows

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
    return Detector([], classifier).fit(*_known(vectors, share, seed), copy=False)


def explain_surrogate(
    surrogate: Detector,
    vectors: Vectors,
    *,
    background: int,
    samples: int,
    seed: int,
    precision: str = "auto",
    share: float = 100,
) -> np.ndarray:
    """SHAP values of the training rows that it was trained on, float32 (rows, width).

    `share` and `seed` must be those of `train_surrogate`. For the rest see `explanations.explain`.
    """
    rows, _ = _known(vectors, share, seed)
    return explain(
        surrogate,
        rows,
        background_rows=background,
        samples=samples,
        seed=seed,
        precision=precision,
        out=rows,
    )


def _known(vectors: Vectors, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows that the attacker knows, and their labels, in memory of their own."""
    labels = vectors.labels("train")
    known = known_rows(labels, share, seed)
    return vectors.rows("train")[known], labels[known]
