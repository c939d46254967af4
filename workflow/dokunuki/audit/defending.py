"""The audit as a defence: it cleans a victim's training rows as `dokunuki audit` cleans a feed's.

A detector hands its samplers standardised rows. The audit works on these as well as on raw ones. It
uses only which values of a column are equal, how they are ordered, and how far apart they lie in
proportion to others of the column. Standardising keeps this, except for rounding in float32. The
clipping to the training rows' range changes only later rows: these are the training rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dokunuki.audit.purifying import corrected
from dokunuki.audit.running import audit_rows
from dokunuki.parts.estimator import Estimator, checked_rows

if TYPE_CHECKING:
    from dokunuki.corpus.layout import FeatureLayout


@dataclass(eq=False, repr=False)
class AuditPurification(Estimator):
    """Leaves rows out and corrects labels as `dokunuki.audit.purifying.purify` decides.

    The goodware rows of a trigger that is proved or suspicious are left out, or relabelled as
    malware where cross-examination contradicts their label. Once a trigger is proved, rows that are
    alike and only suspicious stay. Where nothing is proved or suspicious, and where the audit
    cannot tell (with fewer than 100 rows of a label, say), rows and labels stay as they are. No
    canaries are planted.

    `detector`, lightgbm or embernn, is the one that the audit tests triggers on, whatever the
    victim is. `device` is where embernn runs.

    After `fit_resample`: `sample_indices_` (int64, the rows kept, ascending) and `result_`, the
    audit's answer (`dokunuki.audit.results.AuditResult`).
    """

    layout: FeatureLayout
    detector: str = "lightgbm"
    seed: int = 0
    threads: int = 1
    device: str = "auto"

    def fit_resample(self, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The rows float32 (k, width) that stay, in order, and their labels int8 (k,), corrected.

        `X` (n, width) are standardised or raw rows, `y` (n,) their labels, 0 goodware and 1
        malware. Raises ConfigError for an unknown `detector`, ValueError for NaN or infinity, and
        DokunukiError where rows, labels and layout do not belong together.
        """
        X, y = checked_rows(X), np.asarray(y)
        self.result_ = audit_rows(
            X,
            y,
            self.layout,
            detector=self.detector,
            seed=self.seed,
            threads=self.threads,
            device=self.device,
        )
        self.sample_indices_, labels = corrected(y, self.result_.purification)
        return X[self.sample_indices_], labels[self.sample_indices_]
