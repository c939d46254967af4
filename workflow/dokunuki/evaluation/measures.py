"""The measures of a defended model, from its scores alone."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from dokunuki.evaluation.scores import OK

if TYPE_CHECKING:
    from dokunuki.evaluation.scores import Scores

MALWARE_THRESHOLD = 0.5


@dataclass(frozen=True)
class Measures:
    """Shares in [0, 1] (`delta_asr` in [-1, 1]) and counts of rows; NaN where there is none.

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


COUNTS = ("test_rows", "validation_rows", "detected_rows")
MEASURES = tuple(field.name for field in fields(Measures) if field.name not in COUNTS)


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


def measure(scores: Scores, unpoisoned_triggered: np.ndarray) -> Measures:
    """Measure one cell; a row is called malware when its score is at least 0.5.

    `unpoisoned_triggered` float32 (m,) are the scores of the triggered malware under the same
    defence and classifier trained on unpoisoned rows; empty where there are none.

    Raises `ValueError` for a cell that diverged: it has a status, and no measures.
    """
    if scores.status != OK:
        raise ValueError(f"a cell with status {scores.status!r} has no measures")
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
    )
