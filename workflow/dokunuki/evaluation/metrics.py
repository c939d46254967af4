"""The tidy table of metrics: one row per trained cell, its key columns first."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from dokunuki.evaluation.measures import COUNTS, MEASURES, measure
from dokunuki.evaluation.tabular import build_table, load_schema, read_table, write_table
from dokunuki.study.keys import CellKey, unique_cells
from dokunuki.victims.scores import (
    OK,
    EvasionKey,
    empty_scores,
    read_evasion,
    read_scores,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import numpy as np
    import pandas as pd

    from dokunuki.victims.scores import Scores


@dataclass(frozen=True)
class CellFiles:
    """Where a cell's scores are.

    `scores` are its detector's; at p = 0 under an attack, the reference detector's. `evasion` are
    the reference detectors' under the attack's triggers, and None where there is no attack.
    """

    scores: str | Path
    evasion: str | Path | None = None

    def __str__(self) -> str:
        return str(self.scores)


def _read(key: CellKey, files: CellFiles) -> tuple[Scores, np.ndarray]:
    """The scores of a cell, and those of its triggered malware without any poison."""
    scores = read_scores(files.scores)
    if files.evasion is None:
        return scores, empty_scores()
    evasion = read_evasion(files.evasion, EvasionKey(key.defence, key.classifier, key.trigger_size))
    if key.poison_rate == 0 and scores.status == OK:
        scores = replace(scores, triggered=evasion)
    return scores, evasion


def _row(key: CellKey, files: CellFiles) -> dict[str, Any]:
    scores, evasion = _read(key, files)
    if scores.status == OK:
        measured = asdict(measure(scores, evasion, key.trigger_size))
    else:
        measured = dict.fromkeys((*COUNTS, *MEASURES))
    return {
        **asdict(key),
        "train_rows": scores.train_rows,
        "poison_rows": scores.poison_rows,
        "status": scores.status,
        "device": scores.device,
        "certificate": scores.certificate or None,
        **measured,
    }


def build_metrics(cells: Iterable[tuple[CellKey, CellFiles]]) -> pd.DataFrame:
    """Measure every cell from its scores: one row each, sorted by the key columns.

    A diverged cell keeps its row, with its status and empty measures, so that the number of rows
    equals the number of cells. Raises `DataFileError` for a score file that is missing or damaged.
    """
    rows = [_row(key, files) for key, files in unique_cells(cells).items()]
    return build_table(rows, load_schema("metrics"))


def write_metrics(path: str | Path, table: pd.DataFrame) -> None:
    """Write the table as CSV; see `tabular.write_table`."""
    write_table(path, table, load_schema("metrics"))


def read_metrics(path: str | Path) -> pd.DataFrame:
    """Read the CSV and check it against `workflow/schemas/metrics.schema.yaml`."""
    return read_table(path, load_schema("metrics"))
