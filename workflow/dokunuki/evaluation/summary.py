"""Mean and 95 % interval over seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats

from dokunuki.evaluation.measures import MEASURES, RANGES
from dokunuki.victims.scores import OK

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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


def _half_width(deviation: Any, count: Any) -> Any:  # noqa: ANN401 - a float or an array of them
    """Half of the 95 % interval of a mean of `count` values with this sample standard deviation."""
    return stats.t.ppf((1 + _LEVEL) / 2, count - 1) * deviation / np.sqrt(count)


def t_interval(values: Iterable[float]) -> tuple[float, float]:
    """Mean and half-width of its 95 % interval (Student t, n - 1 degrees of freedom).

    NaNs are left out. One value has no interval: its half-width is NaN, not zero.
    """
    known = pd.Series(list(values), dtype="float64")
    return float(known.mean()), float(_half_width(known.std(), known.count()))


def seed_intervals(
    rows: pd.DataFrame, key: Sequence[str], measures: Sequence[str]
) -> dict[str, tuple[pd.Series, pd.Series]]:
    """`t_interval` of every measure over the rows of each key: mean and half-width by key."""
    groups = rows.astype(dict.fromkeys(measures, "float64")).groupby(list(key))[list(measures)]
    means, halves = groups.mean(), _half_width(groups.std(), groups.count())
    return {name: (means[name], halves[name]) for name in measures}


def summarise(metrics: pd.DataFrame) -> pd.DataFrame:
    """One row per cell over all its seeds, sorted by `GROUP`.

    Columns: those of `GROUP`; `seeds_ok` and `seeds_failed`; and for every measure m the columns
    `m_mean`, `m_half` (half-width of the interval), `m_low` and `m_high` (its ends, clipped to
    the measure's range). Seeds whose status is not "ok" only count, in
    `seeds_failed`.
    """
    ok = metrics["status"] == OK
    seeds = ok.groupby([metrics[name] for name in GROUP]).agg(["sum", "size"])
    columns = {"seeds_ok": seeds["sum"], "seeds_failed": seeds["size"] - seeds["sum"]}
    for name, (mean, half) in seed_intervals(metrics[ok], GROUP, MEASURES).items():
        least, greatest = RANGES.get(name, (0.0, 1.0))
        columns[f"{name}_mean"], columns[f"{name}_half"] = mean, half
        columns[f"{name}_low"] = (mean - half).clip(least, greatest)
        columns[f"{name}_high"] = (mean + half).clip(least, greatest)
    return pd.DataFrame(columns, index=seeds.index).reset_index()
