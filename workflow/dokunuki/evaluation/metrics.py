"""The tidy table of metrics: one row per trained cell, its key columns first."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from dokunuki.evaluation.cells import CellKey, unique_cells
from dokunuki.evaluation.measures import COUNTS, MEASURES, measure
from dokunuki.evaluation.scores import OK, read_scores
from dokunuki.evaluation.tabular import build_table, load_schema, read_table, write_table

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pandas as pd

    from dokunuki.evaluation.scores import Scores


def _row(key: CellKey, scores: Scores) -> dict[str, Any]:
    if scores.status == OK:
        measured = asdict(measure(scores))
    else:
        measured = dict.fromkeys((*COUNTS, *MEASURES))
    return {
        **asdict(key),
        "train_rows": scores.train_rows,
        "poison_rows": scores.poison_rows,
        "status": scores.status,
        "device": scores.device,
        **measured,
    }


def build_metrics(cells: Iterable[tuple[CellKey, str | Path]]) -> pd.DataFrame:
    """Measure every cell from its `scores.h5`: one row each, sorted by the key columns.

    A diverged cell keeps its row, with its status and empty measures, so that the number of rows
    equals the number of cells. Raises `DataFileError` for a score file that is missing or damaged.
    """
    files = unique_cells(cells)
    rows = [_row(key, read_scores(path)) for key, path in files.items()]
    return build_table(rows, load_schema("metrics"))


def write_metrics(path: str | Path, table: pd.DataFrame) -> None:
    """Write the table as CSV; see `tabular.write_table`."""
    write_table(path, table, load_schema("metrics"))


def read_metrics(path: str | Path) -> pd.DataFrame:
    """Read the CSV and check it against `workflow/schemas/metrics.schema.yaml`."""
    return read_table(path, load_schema("metrics"))
