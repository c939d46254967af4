"""The measures of a defended model, from its scores alone."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from dokunuki.victims.scores import OK

if TYPE_CHECKING:
    from dokunuki.victims.scores import Scores

MALWARE_THRESHOLD = 0.5


@dataclass(frozen=True)
class Measures:
    """Shares in [0, 1] but for those of `RANGES`, and counts of rows; NaN or None for none.

    The paper's attack success rate is `asr`. Its formula 4 divides by FN + TN, letters that do not
    mean that in its own Table 2; its prose, which is followed here, divides by all validation
    malware. Codebases differ in the denominator, hence the others.
    """

    accuracy: float
    """Share of the clean test rows that are classified rightly."""
    fpr: float
    """Share of the test goodware that is called malware."""
    fnr: float
    """Share of the test malware that is called goodware."""
    roc_auc: float
    """Area under the ROC curve on the test rows."""
    asr: float
    """Share of all validation malware that is called goodware once it carries the trigger."""
    asr_detected: float
    """The same share of those that this very model detects without the trigger."""
    asr_clean: float
    """`asr` of the same trigger against the same defence trained on unpoisoned rows: evasion."""
    delta_asr: float
    """`asr` - `asr_clean`: the part of the success that poisoning caused."""
    fnr_validation: float
    """Share of the validation malware that is called goodware without any trigger."""
    test_rows: int
    validation_rows: int
    detected_rows: int
    """Validation malware that the model detects without the trigger."""
    threshold_fpr_1: float
    """Smallest score that calls at most 1 % of the calibration rows labelled goodware malware."""
    threshold_fpr_01: float
    """The same at 0.1 %."""
    fpr_at_1: float
    """`fpr` at the threshold `threshold_fpr_1`."""
    tpr_at_1: float
    """Share of the test malware that is called malware at that threshold."""
    asr_at_1: float
    """`asr` at that threshold."""
    fpr_at_01: float
    tpr_at_01: float
    asr_at_01: float
    calibration_rows: int | None
    poison_recall: float
    """Share of the poison that a filter removed or relabelled."""
    poison_precision: float
    """Share of the rows that a filter removed or relabelled that are poison."""
    goodware_removed: float
    """Share of the goodware that is not poison that a filter removed or relabelled."""
    removed_rows: int | None
    """Training rows that a filter removed or relabelled."""
    certified_accuracy: float
    """Share of the test rows that are classified rightly whatever as much poison had held."""
    median_radius: float
    """Median of the certified radii of the test rows."""


COUNTS = ("test_rows", "validation_rows", "detected_rows", "calibration_rows", "removed_rows")
MEASURES = tuple(field.name for field in fields(Measures) if field.name not in COUNTS)
RANGES = {"delta_asr": (-1.0, 1.0), "median_radius": (0.0, np.inf)}
"""Least and greatest value of the measures that are no shares."""


def _share(selected: np.ndarray) -> float:
    return float(selected.mean()) if selected.size else float("nan")


def _called_goodware(scores: np.ndarray) -> np.ndarray:
    return scores < MALWARE_THRESHOLD


def _roc_auc(labels: np.ndarray, scores: np.ndarray) -> float:
    if np.unique(labels).size < 2:
        return float("nan")
    # Imported here since whoever only reads the finished table does not need it.
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(labels, scores))


def threshold_at(goodware: np.ndarray, per: int) -> float:
    """The smallest threshold at which at most one in `per` of these rows is called malware.

    `goodware` float32 (n,), n > 0, are their scores. It lies just above one of them, so that of
    equal scores either all are called malware or none; above 1, nothing is.
    """
    highest_first = np.sort(goodware)[::-1]
    return float(np.nextafter(highest_first[len(goodware) // per], np.float32(2)))


def _at_thresholds(scores: Scores) -> dict[str, Any]:
    goodware = scores.calibration[scores.calibration_labels == 0]
    malware = scores.test_labels == 1
    measured: dict[str, Any] = {"calibration_rows": len(scores.calibration) or None}
    for rate, per in (("1", 100), ("01", 1000)):
        threshold, fpr, tpr, asr = (float("nan"),) * 4
        if goodware.size:
            threshold = threshold_at(goodware, per)
            called = scores.test >= threshold
            fpr, tpr = _share(called[~malware]), _share(called[malware])
            asr = _share(scores.triggered < threshold)
        measured |= {
            f"threshold_fpr_{rate}": threshold,
            f"fpr_at_{rate}": fpr,
            f"tpr_at_{rate}": tpr,
            f"asr_at_{rate}": asr,
        }
    return measured


def _ratio(part: int | None, whole: int | None) -> float:
    return part / whole if part is not None and whole else float("nan")


def _filtering(scores: Scores) -> dict[str, Any]:
    removed = (scores.poison_removed, scores.goodware_removed, scores.malware_removed)
    counts = [count for count in removed if count is not None]
    total = sum(counts) if counts else None
    return {
        "poison_recall": _ratio(scores.poison_removed, scores.poison_rows),
        # Where nothing is poisoned, there is nothing to be precise about.
        "poison_precision": _ratio(scores.poison_removed, total if scores.poison_rows else None),
        "goodware_removed": _ratio(scores.goodware_removed, scores.goodware_rows),
        "removed_rows": total,
    }


def _certified(scores: Scores, right: np.ndarray, trigger_size: int) -> dict[str, Any]:
    if not scores.certificate:
        return {"certified_accuracy": float("nan"), "median_radius": float("nan")}
    altered = scores.poison_rows if scores.certificate == "rows" else trigger_size
    holds = scores.test_radius >= max(1, altered)
    if scores.certificate == "features" and scores.flipped_rows:
        holds = np.zeros_like(holds)  # it allows for altered features, not for altered labels
    return {
        "certified_accuracy": _share(right & holds),
        "median_radius": float(np.median(scores.test_radius)),
    }


def measure(scores: Scores, unpoisoned_triggered: np.ndarray, trigger_size: int = 0) -> Measures:
    """Measure one run; a row is called malware when its score is at least 0.5.

    `unpoisoned_triggered` float32 (m,) are the scores of the triggered malware under the same
    defence and classifier trained on unpoisoned rows; empty where there are none. A certificate is
    held against the `poison_rows` or the `trigger_size` of the run, and at least against 1.

    Raises `ValueError` for a run that diverged: it has a status, and no measures.
    """
    if scores.status != OK:
        raise ValueError(f"a run with status {scores.status!r} has no measures")
    malware = scores.test_labels == 1
    missed = _called_goodware(scores.test)
    detected = ~_called_goodware(scores.validation)
    evading = _called_goodware(scores.triggered)
    asr = _share(evading)
    asr_clean = _share(_called_goodware(unpoisoned_triggered))
    return Measures(
        accuracy=_share(missed != malware),
        fpr=_share(~missed[~malware]),
        fnr=_share(missed[malware]),
        roc_auc=_roc_auc(scores.test_labels, scores.test),
        asr=asr,
        asr_detected=_share(evading[detected]) if evading.size else float("nan"),
        asr_clean=asr_clean,
        delta_asr=asr - asr_clean,
        fnr_validation=_share(~detected),
        test_rows=len(scores.test),
        validation_rows=len(scores.validation),
        detected_rows=int(detected.sum()),
        **_at_thresholds(scores),
        **_filtering(scores),
        **_certified(scores, missed != malware, trigger_size),
    )
