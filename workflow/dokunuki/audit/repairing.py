"""What is left once the poison is out: the cleaned feed, its detector, and their measurements."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dokunuki.audit.concluding import conclude, settings_of
from dokunuki.audit.feed_checks import GOODWARE, MALWARE
from dokunuki.audit.fitting import fit_folds
from dokunuki.audit.proving import StampedMalware
from dokunuki.audit.purifying import corrected
from dokunuki.audit.results import Repair
from dokunuki.audit.settings import unfitted_detector
from dokunuki.corpus.exporting import GROUP_ROWS, Exported, write_table
from dokunuki.deployment.exporting import export_detector
from dokunuki.storage.row_blocks import row_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dokunuki.audit.results import (
        AuditResult,
        FeedChecks,
        Finding,
        Fit,
        Purification,
        Suspects,
    )
    from dokunuki.corpus.sampling import Split
    from dokunuki.corpus.vectors import Vectors
    from dokunuki.detector import Detector

# Rows of the feed that the exported detector has to score as the original does.
_EXPORT_ROWS = 1000


def repair(
    X: np.ndarray,
    y: np.ndarray,
    result: AuditResult,
    fit: Fit,
    *,
    seed: int,
    threads: int,
    device: str = "auto",
) -> tuple[Detector, Repair]:
    """Fit the detector on the cleaned feed, and measure it fold by fold on rows kept aside.

    `X` float32 (n, width) are raw rows and may be overwritten. Accuracies are of the rows that are
    neither left out nor relabelled. The share of malware that passes with a trigger is of the
    malware that the proof stamped. Where no row is left out or relabelled, both are as they were.
    """
    kept, labels = corrected(y, result.purification)
    left_out = np.ones(len(y), dtype=bool)
    left_out[kept] = False
    untouched = ~result.suspected_rows
    stamped = StampedMalware(X, y, fit, seed)
    detectors: Sequence[Detector] = fit.detectors
    if result.suspected_rows.any():
        detectors = fit_folds(
            X,
            labels,
            fit.fold,
            fit.name,
            seed=seed,
            threads=threads,
            device=device,
            left_out=left_out,
        )
    scores = np.empty(len(y), dtype=np.float32)
    for fold, detector in enumerate(detectors):
        scores[fit.fold == fold] = detector.malware_scores(X[fit.fold == fold])
    measured = Repair(
        rows=len(kept),
        rows_kept_aside=int(untouched.sum()),
        accuracy_before=_accuracy(fit.scores, y, untouched),
        accuracy_after=_accuracy(scores, y, untouched),
        pass_rates=tuple(
            (one.pass_as_is, float(stamped.passing(detectors, one.columns, one.values)[0]))
            for one in result.triggers
        ),
    )
    rows = X if len(kept) == len(y) else X[kept]
    detector = unfitted_detector(fit.name, seed=seed, threads=threads, device=device)
    return detector.fit(rows, labels[kept], copy=False), measured


def purify_feed(
    vectors: Vectors,
    rows: Split,
    checks: FeedChecks,
    fit: Fit | None,
    suspects: Suspects | None,
    findings: Sequence[Finding],
    spec: Mapping[str, Any],
    *,
    threads: int,
    device: str,
    feed: str | Path,
    folder: str | Path,
) -> tuple[AuditResult, Repair | None]:
    """Write the cleaned feed (Parquet), and the detector of it to `folder` and `folder`.onnx.

    Returns the answer of the audit, and the measurements of the repair. `rows` has the ids of the
    rows of `vectors`: those that are not sha256 become a column `id` of the feed. `spec` is
    `study.specs.audit_spec`. A feed that cannot be audited is written as it is; there is no
    detector then, `folder` is empty, and the measurements are None. Raises ExportError where the
    exported detector gives other scores.
    """
    seed = spec["seed"]
    result = conclude(checks, fit, suspects, findings, settings_of(spec["detector"], seed))
    folder = Path(folder)
    onnx = folder.with_name(f"{folder.name}.onnx")
    onnx.unlink(missing_ok=True)
    told = ("id",) if (rows.sample_id != "").any() else ()
    write_table(feed, vectors.layout, _cleaned(vectors, rows, result.purification), told)
    if fit is None or result.verdict == "cannot tell":
        folder.mkdir(parents=True, exist_ok=True)
        return result, None
    X = vectors.X[:]
    sample = X[:_EXPORT_ROWS].copy()
    detector, measured = repair(
        X, vectors.y, result, fit, seed=seed, threads=threads, device=device
    )
    detector.layout = vectors.layout
    detector.save(folder)
    export_detector(detector, onnx, sample)
    return result, measured


def _accuracy(scores: np.ndarray, y: np.ndarray, rows: np.ndarray) -> float:
    """The mean of the accuracies of both labels."""
    right = (scores >= 0.5) == (y == MALWARE)
    return float(np.mean([right[rows & (y == label)].mean() for label in (GOODWARE, MALWARE)]))


def _cleaned(vectors: Vectors, rows: Split, purification: Purification) -> Iterator[Exported]:
    """The cleaned feed block by block."""
    kept, labels = corrected(vectors.y, purification)
    for block in row_blocks(len(kept), GROUP_ROWS):
        stay = kept[block]
        told = {"id": rows.sample_id[stay].tolist()}
        yield Exported(vectors.sha256[stay].tolist(), labels[stay], vectors.X[stay], told)
