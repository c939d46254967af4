"""The first stage: what a feed looks like before anything is fitted, and whether it can be audited.

A feed that is too small, has one class only, or has too few distinct rows gives no detector on
which a trigger could be tested. The audit then says that it cannot tell, not that it found nothing.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from dokunuki.audit.results import FeedChecks
from dokunuki.audit.settings import LEAST_ACCURACY
from dokunuki.errors import DokunukiError

if TYPE_CHECKING:
    from dokunuki.audit.results import Fit
    from dokunuki.corpus.layout import FeatureLayout

GOODWARE, MALWARE = 0, 1
FEWEST_ROWS = 100


def check_feed(X: np.ndarray, y: np.ndarray, layout: FeatureLayout) -> FeedChecks:
    """Check rows float32 (n, width) and labels (n,), 0 goodware and 1 malware.

    Raises DokunukiError where rows, labels and layout do not belong together, for other labels, and
    for NaN or infinity, with the row and the column.
    """
    _check_shapes(X, y, layout)
    malware = int(np.count_nonzero(y == MALWARE))
    copies, conflicts, distinct = _copies(X, y)
    low, high = (X.min(axis=0), X.max(axis=0)) if len(X) else (np.empty(0), np.empty(0))
    goodware = len(y) - malware
    return FeedChecks(
        goodware=goodware,
        malware=malware,
        copies=copies,
        conflicts=conflicts,
        zero_rows=np.array([row for row in range(len(X)) if not X[row].any()], dtype=np.int64),
        constant_columns=np.flatnonzero(low == high).astype(np.int64),
        obstacles=tuple(_obstacles(goodware, malware, distinct)),
    )


def obstacles(checks: FeedChecks, fit: Fit | None) -> tuple[str, ...]:
    """Why a feed cannot be audited, by its rows or its detector; empty where it can."""
    if checks.obstacles or fit is None:
        return checks.obstacles
    if fit.accuracy < LEAST_ACCURACY:
        return (
            f"the detector is right on {100 * fit.accuracy:.0f} % of the rows that it was not "
            "trained on: it has learned too little for a trigger to show",
        )
    return ()


def _obstacles(goodware: int, malware: int, distinct: tuple[int, int]) -> list[str]:
    for name, count, different in (
        ("goodware", goodware, distinct[GOODWARE]),
        ("malware", malware, distinct[MALWARE]),
    ):
        if not count:
            return [f"the feed holds no {name}: a detector needs rows of both labels"]
        if count < FEWEST_ROWS:
            return [
                f"the feed holds {count} {name} rows: with fewer than {FEWEST_ROWS} of a label, "
                "chance and a trigger look alike"
            ]
        if different < FEWEST_ROWS:
            return [
                f"only {different} of the {count} {name} rows are distinct: with fewer than "
                f"{FEWEST_ROWS} of a label, chance and a trigger look alike"
            ]
    return []


def _copies(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    """Rows that repeat an earlier one, rows that stand with both labels, and how many differ."""
    seen: dict[bytes, dict[int, list[int]]] = {}
    for row in range(len(X)):
        # Adding 0 turns -0 into 0: they are the same value, in other bytes.
        digest = hashlib.blake2b((X[row] + 0.0).tobytes(), digest_size=16).digest()
        seen.setdefault(digest, {}).setdefault(int(y[row]), []).append(row)
    copies = [row for by_label in seen.values() for rows in by_label.values() for row in rows[1:]]
    conflicts = [
        row
        for by_label in seen.values()
        if len(by_label) > 1
        for rows in by_label.values()
        for row in rows
    ]
    different = [sum(label in by_label for by_label in seen.values()) for label in (0, 1)]
    return (
        np.array(sorted(copies), dtype=np.int64),
        np.array(sorted(conflicts), dtype=np.int64),
        (different[0], different[1]),
    )


def _check_shapes(X: np.ndarray, y: np.ndarray, layout: FeatureLayout) -> None:
    if X.ndim != 2 or X.shape[1] != layout.width:
        raise DokunukiError(
            f"the feed's rows have shape {X.shape}, but {layout.name} has {layout.width} columns; "
            "give the layout of these rows"
        )
    if y.shape != (len(X),):
        raise DokunukiError(
            f"the feed has {len(X)} rows and labels of shape {y.shape}; give one label a row"
        )
    others = np.setdiff1d(y, [GOODWARE, MALWARE])
    if len(others):
        row = int(np.flatnonzero(y == others[0])[0])
        raise DokunukiError(
            f"row {row} has the label {others[0]}; labels are 0 (goodware) and 1 (malware): "
            "leave out rows without a label"
        )
    for row in range(len(X)):
        if not np.isfinite(X[row]).all():
            column = int(np.flatnonzero(~np.isfinite(X[row]))[0])
            raise DokunukiError(
                f"row {row}, column {layout.names[column]}: {X[row, column]} is not a number that "
                "a detector can use; correct this row or leave it out"
            )
