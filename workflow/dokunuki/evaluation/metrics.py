"""The tidy table of metrics: one row per run, its key columns first."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from dokunuki.evaluation.measures import COUNTS, MEASURES, measure
from dokunuki.evaluation.tabular import build_table, load_schema, read_table, write_table
from dokunuki.study.keys import unique_runs
from dokunuki.victims.scores import (
    OK,
    EvasionKey,
    empty_scores,
    read_evasion,
    read_scores,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import numpy as np
    import pandas as pd

    from dokunuki.study.keys import RunKey
    from dokunuki.victims.scores import Scores


def _read(key: RunKey, run: Mapping[str, Any]) -> tuple[Scores, np.ndarray]:
    """The scores of a run, and those of its triggered malware without any poison."""
    scores = read_scores(run["scores"])
    if run["evasion"] is None:
        return scores, empty_scores()
    triggered = EvasionKey(key.defence, key.classifier, key.trigger_size)
    evasion = read_evasion(run["evasion"], triggered)
    if key.poison_rate == 0 and scores.status == OK:
        scores = replace(scores, triggered=evasion)
    return scores, evasion


def _row(key: RunKey, run: Mapping[str, Any]) -> dict[str, Any]:
    scores, evasion = _read(key, run)
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


def build_metrics(runs: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Measure every run (see `unique_runs`): one row each, sorted by the key columns.

    `scores` of a run is the file of its detector's scores: at p = 0 under an attack, the unpoisoned
    detector's. `evasion` is the file of what the unpoisoned detectors give to the attack's
    triggers, and None where there is no attack. A diverged run keeps its row, with its status and
    empty measures, so that there are as many rows as runs. Raises `DataFileError` for a file that
    is missing or damaged.
    """
    rows = [_row(key, run) for key, run in unique_runs(runs).items()]
    return build_table(rows, load_schema("metrics"))


def write_metrics(path: str | Path, table: pd.DataFrame) -> None:
    """Write the table as CSV; see `tabular.write_table`."""
    write_table(path, table, load_schema("metrics"))


def read_metrics(path: str | Path) -> pd.DataFrame:
    """Read the CSV and check it against `workflow/schemas/metrics.schema.yaml`."""
    return read_table(path, load_schema("metrics"))
