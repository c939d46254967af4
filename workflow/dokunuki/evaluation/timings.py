"""What each run cost; apart from the metrics, since no two runs agree on seconds."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from dokunuki.evaluation.tabular import build_table, load_schema, read_table, write_table
from dokunuki.study.keys import unique_runs
from dokunuki.victims.cost import read_cost

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import pandas as pd


def build_timings(runs: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """One row per run (see `unique_runs`) from the file that it names as its `cost`."""
    rows = [
        {**asdict(key), **asdict(read_cost(run["cost"]))} for key, run in unique_runs(runs).items()
    ]
    return build_table(rows, load_schema("timings"))


def write_timings(path: str | Path, table: pd.DataFrame) -> None:
    """Write the table as CSV; see `tabular.write_table`."""
    write_table(path, table, load_schema("timings"))


def read_timings(path: str | Path) -> pd.DataFrame:
    """Read the CSV and check it against `workflow/schemas/timings.schema.yaml`."""
    return read_table(path, load_schema("timings"))
