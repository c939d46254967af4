"""An audit as a whole: the stages in turn, and the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dokunuki.audit.concluding import conclude, settings_of
from dokunuki.audit.feed_checks import check_feed, obstacles
from dokunuki.audit.fitting import fit_as_is
from dokunuki.audit.inverting import invert_triggers
from dokunuki.audit.preparing import prepare_feed
from dokunuki.audit.proving import prove_triggers
from dokunuki.audit.settings import unfitted_detector
from dokunuki.audit.suspecting import find_suspects

if TYPE_CHECKING:
    from dokunuki.audit.results import AuditResult
    from dokunuki.corpus.layout import FeatureLayout


def audit_rows(
    X: np.ndarray,
    y: np.ndarray,
    layout: FeatureLayout,
    *,
    detector: str = "lightgbm",
    seed: int = 0,
    threads: int = 1,
    device: str = "auto",
) -> AuditResult:
    """Whether a feed holds a backdoor: proved, suspicious, nothing proved, or cannot tell.

    `X` float32 (n, layout.width) are raw rows, `y` (n,) their labels, 0 goodware and 1 malware.
    `detector` is lightgbm or embernn, the latter on `device`. Same seed, same answer. Raises
    ConfigError for another detector, and DokunukiError where the rows, labels and layout do not
    belong together or hold NaN, infinity or other labels.
    """
    unfitted_detector(detector, seed=seed, threads=threads, device=device)
    X, y = np.asarray(X, dtype=np.float32), np.asarray(y)
    checks = check_feed(X, y, layout)
    settings = settings_of(detector, seed)
    y = y.astype(np.int8)
    fit = None
    if not checks.obstacles:
        fit = fit_as_is(X, y, detector, seed=seed, threads=threads, device=device)
    if fit is None or obstacles(checks, fit):
        return conclude(checks, fit, None, (), settings)
    feed = prepare_feed(X, y, checks)
    suspects = find_suspects(feed, fit, layout, seed=seed, threads=threads)
    candidates = invert_triggers(feed, suspects, seed)
    findings = prove_triggers(
        feed, candidates, fit, layout, seed=seed, threads=threads, device=device
    )
    return conclude(checks, fit, suspects, findings, settings)
