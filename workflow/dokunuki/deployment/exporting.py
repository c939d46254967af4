"""A fitted detector as one ONNX file, from raw feature values to the probability of malware.

What is written is run by onnxruntime at once and held against the original, row by row. The file
tells what it takes and gives: see `Deployed`. Its sha256 lies inside it.
"""

from __future__ import annotations

import importlib.metadata
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dokunuki.corpus.layout_record import layout_record
from dokunuki.deployment.graph import ExportError, Graph
from dokunuki.deployment.model import HALF, METADATA_PREFIX, Session, layout_of
from dokunuki.deployment.parts import classifier_nodes, standardiser_nodes, transformer_nodes
from dokunuki.errors import ConfigError
from dokunuki.storage.files import atomic_write
from dokunuki.storage.row_blocks import row_blocks
from dokunuki.storage.seals import UNSEALED, seal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dokunuki.corpus.layout import FeatureLayout
    from dokunuki.detector import Detector

TOLERANCE = 1e-5
_DRAWN_ROWS = 64


@dataclass(frozen=True)
class ExportCheck:
    """How an exported detector compared with its original.

    `rows` were scored by both; the scores of `differing` of them were further apart than asked
    for, and `worst` is the largest distance.
    """

    rows: int
    differing: int
    worst: float


def export_detector(
    detector: Detector,
    path: str | Path,
    rows: np.ndarray | None = None,
    *,
    layout: FeatureLayout | None = None,
    thresholds: Mapping[str, float] | None = None,
    provenance: Mapping[str, Any] | None = None,
    tolerance: float = TOLERANCE,
    may_differ: float = 0.0,
) -> ExportCheck:
    """Write a fitted detector as ONNX, all or nothing; equal detectors give equal bytes.

    `rows`, raw, float32 (n, width), are scored by both sides, and so are 64 drawn from the ranges
    of the training rows, the ends of these ranges, and a row of zeros. ExportError names the worst
    row when the scores of more than the share `may_differ` of them are further apart than
    `tolerance`; it also names a part that has no ONNX form. `layout` and `thresholds` (beside 0.5,
    by name) replace those that the detector holds; `provenance` is JSON to be kept in the file.
    Raises ConfigError where the layout is not told and the width is not that of EMBER's features.
    """
    layout = layout or layout_of(detector)
    width = len(detector.scaler_.mean_)
    if layout.width != width:
        raise ConfigError(
            f"layout: {layout.name} has {layout.width} columns, but the detector was fitted on "
            f"{width}; give the layout that its training rows have"
        )
    graph = Graph(width)
    value = standardiser_nodes(graph, graph.rows, detector.scaler_)
    for transformer in detector.transformers_:
        value = transformer_nodes(graph, value, transformer)
    probability = classifier_nodes(graph, value, detector.classifier_)
    held = detector.thresholds if thresholds is None else thresholds
    facts = {
        "layout": layout_record(layout),
        "columns": list(layout.names),
        "thresholds": {**HALF, **{name: float(held[name]) for name in sorted(held)}},
        "version": importlib.metadata.version("dokunuki"),
        "detector": detector.description_,
        "provenance": dict(provenance or {}),
    }
    metadata = {
        METADATA_PREFIX + key: json.dumps(fact, sort_keys=True) for key, fact in facts.items()
    }
    model = graph.model(probability, metadata, UNSEALED)
    with atomic_write(path) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))
        seal(temporary)
        check = _compared(detector, Session(temporary), rows, tolerance)
        if check.differing > may_differ * check.rows:
            raise ExportError(
                f"{path}: not written: {check.differing} of {check.rows} rows score more than "
                f"{tolerance:g} apart in ONNX, at worst by {check.worst:.3g}. Where trees follow a "
                "network, values at a split's threshold may fall on either side: allow some such "
                "rows (--may-differ 0.01, or in Python may_differ=0.01)"
            )
    return check


def _compared(
    detector: Detector, session: Session, rows: np.ndarray | None, tolerance: float
) -> ExportCheck:
    samples = [_drawn_rows(detector)]
    if rows is not None:
        samples.append(np.asarray(rows, dtype=np.float32))
    differing, worst = 0, 0.0
    for sample in samples:
        for block in row_blocks(len(sample)):
            original = detector.malware_scores(sample[block])
            apart = np.abs(session.malware_scores(sample[block]) - original)
            # What is no number is never near.
            differing += int(np.count_nonzero(~(apart <= tolerance)))
            worst = max(worst, float(np.nan_to_num(apart, nan=np.inf).max(initial=0.0)))
    return ExportCheck(sum(map(len, samples)), differing, worst)


def _drawn_rows(detector: Detector) -> np.ndarray:
    low, high = (
        np.nan_to_num(limit.astype(np.float64), posinf=1e6, neginf=-1e6)
        for limit in (detector.scaler_.minimum_, detector.scaler_.maximum_)
    )
    share = np.random.default_rng(0).random((_DRAWN_ROWS, len(low)))
    drawn = low + share * (high - low)
    return np.vstack([drawn, low, high, np.zeros_like(low)]).astype(np.float32)
