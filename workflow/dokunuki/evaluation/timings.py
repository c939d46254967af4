"""What each cell cost; apart from the metrics, since no two runs agree on seconds."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from dokunuki.evaluation.tabular import build_table, load_schema, read_table, write_table
from dokunuki.study.keys import unique_cells
from dokunuki.victims.cost import read_cost

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pandas as pd

    from dokunuki.study.keys import CellKey


def build_timings(cells: Iterable[tuple[CellKey, str | Path]]) -> pd.DataFrame:
    """One row per cell from its `cost.json`, sorted as the metrics are."""
    rows = [{**asdict(key), **asdict(read_cost(path))} for key, path in unique_cells(cells).items()]
    return build_table(rows, load_schema("timings"))


def write_timings(path: str | Path, table: pd.DataFrame) -> None:
    """Write the table as CSV; see `tabular.write_table`."""
    write_table(path, table, load_schema("timings"))


def read_timings(path: str | Path) -> pd.DataFrame:
    """Read the CSV and check it against `workflow/schemas/timings.schema.yaml`."""
    return read_table(path, load_schema("timings"))
