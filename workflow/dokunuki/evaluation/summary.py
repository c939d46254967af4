"""Mean and 95 % interval over seeds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from dokunuki.evaluation.measures import MEASURES, RANGES
from dokunuki.victims.scores import OK

if TYPE_CHECKING:
    from collections.abc import Iterable

GROUP = (
    "dataset",
    "corpus",
    "attack",
    "trigger_size",
    "poison_rate",
    "defence",
    "classifier",
)

_LEVEL = 0.95


def t_interval(values: Iterable[float]) -> tuple[float, float]:
    """Mean and half-width of its 95 % interval (Student t, n - 1 degrees of freedom).

    NaNs are left out. One value has no interval: its half-width is NaN, not zero.
    """
    known = np.array([value for value in values if not math.isnan(value)], dtype=np.float64)
    if known.size == 0:
        return float("nan"), float("nan")
    mean = float(known.mean())
    if known.size == 1:
        return mean, float("nan")
    quantile = float(stdtrit(known.size - 1, (1 + _LEVEL) / 2))
    return mean, quantile * float(known.std(ddof=1)) / math.sqrt(known.size)


def summarise(metrics: pd.DataFrame) -> pd.DataFrame:
    """One row per cell over all its seeds, sorted by `GROUP`.

    Columns: those of `GROUP`; `seeds_ok` and `seeds_failed`; and for every measure m the columns
    `m_mean`, `m_half` (half-width of the interval), `m_low` and `m_high` (its ends, clipped to
    the measure's range). Seeds whose status is not "ok" only count, in
    `seeds_failed`.
    """
    rows = []
    for key, cell in metrics.groupby(list(GROUP), sort=True):
        ok = cell[cell["status"] == OK]
        row: dict[str, object] = dict(zip(GROUP, key, strict=True))
        row |= {"seeds_ok": len(ok), "seeds_failed": len(cell) - len(ok)}
        for name in MEASURES:
            mean, half = t_interval(ok[name].astype(float))
            least, greatest = RANGES.get(name, (0.0, 1.0))
            row[f"{name}_mean"] = mean
            row[f"{name}_half"] = half
            # np.clip keeps NaN.
            row[f"{name}_low"] = float(np.clip(mean - half, least, greatest))
            row[f"{name}_high"] = float(np.clip(mean + half, least, greatest))
        rows.append(row)
    columns = [*GROUP, "seeds_ok", "seeds_failed"]
    columns += [f"{m}_{part}" for m in MEASURES for part in ("mean", "half", "low", "high")]
    return pd.DataFrame(rows, columns=columns)
