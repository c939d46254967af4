"""Mean and 95 % interval over seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
from scipy import stats

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


def half_widths(errors: Any, counts: Any) -> Any:  # noqa: ANN401 - numbers, or tables of them
    """Half-widths of 95 % intervals of means (Student t, n - 1 degrees of freedom).

    `errors` are the means' standard errors and `counts` the n of values behind each. One value has
    no interval: its half-width is NaN, not zero.
    """
    return stats.t.interval(0.95, counts - 1)[1] * errors


def t_interval(values: Iterable[float]) -> tuple[float, float]:
    """Mean and half-width of its 95 % interval, see `half_widths`; NaNs are left out."""
    known = pd.Series(values, dtype="float64").dropna()
    return float(known.mean()), float(half_widths(known.sem(), len(known)))


def summarise(metrics: pd.DataFrame) -> pd.DataFrame:
    """One row per cell over all its seeds, sorted by `GROUP`.

    Columns: those of `GROUP`; `seeds_ok` and `seeds_failed`; and for every measure m the columns
    `m_mean`, `m_half` (half-width of the interval), `m_low` and `m_high` (its ends, clipped to
    the measure's range). Seeds whose status is not "ok" only count, in
    `seeds_failed`.
    """
    cell = [metrics[name] for name in GROUP]
    ok = metrics["status"] == OK
    seeds = ok.groupby(cell)
    groups = metrics[list(MEASURES)].astype("float64").where(ok).groupby(cell)
    means, halves = groups.mean(), half_widths(groups.sem(), groups.count())
    least, greatest = zip(*(RANGES.get(name, (0.0, 1.0)) for name in MEASURES), strict=True)
    parts = {
        "mean": means,
        "half": halves,
        "low": (means - halves).clip(least, greatest, axis=1),
        "high": (means + halves).clip(least, greatest, axis=1),
    }
    columns = {f"{name}_{part}": parts[part][name] for name in MEASURES for part in parts}
    counts = {"seeds_ok": seeds.sum(), "seeds_failed": seeds.size() - seeds.sum()}
    return pd.DataFrame(counts | columns).reset_index()
