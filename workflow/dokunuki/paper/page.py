"""The page of the paper: a table of the answer and every figure, in one file."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dokunuki.errors import DokunukiError
from dokunuki.evaluation.metrics import read_metrics
from dokunuki.evaluation.summary import summarise
from dokunuki.figures.pages import Column, Table, render, share
from dokunuki.storage.files import atomic_write, write_text
from dokunuki.study.keys import NO_ATTACK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

Row = dict[str, Any]
_MEASURES = ("accuracy", "asr", "asr_clean", "delta_asr")


@dataclass(frozen=True)
class Picture:
    """A figure as it stands in the page: its heading, and the PNG as a data URI."""

    heading: str
    source: str


@dataclass(frozen=True)
class Section:
    """A grid: its title, its tables by heading, its pictures."""

    title: str
    tables: Sequence[tuple[str, Table]]
    pictures: Sequence[Picture]


def write_paper(
    metrics: str | Path,
    spec: Mapping[str, Any],
    figures: Sequence[str | Path],
    *,
    html: str | Path,
    csv: str | Path,
) -> None:
    """Write the page, and its tables as one CSV, from the metrics table and the figures' PNGs.

    `spec` is that of `study.results.paper_spec`. A figure is shown under the grid that the folder
    it lies in names. Raises DataFileError for a damaged table, DokunukiError for one that lacks a
    cell of a grid.
    """
    summary = summarise(read_metrics(metrics))
    seeds = int((summary["seeds_ok"] + summary["seeds_failed"]).max())
    sections, rows = [], []
    for name, grid in spec["grids"].items():
        tables = []
        if grid["figure"] in ("panels", "map"):
            held = answer_rows(summary, grid)
            rows += [{"grid": name, **row} for row in held]
            tables = _tables(held, grid)
        pictures = [
            Picture(_heading(Path(file), name, grid), _data_uri(Path(file)))
            for file in figures
            if name in Path(file).parts
        ]
        sections.append(Section(grid["title"], tables, pictures))
    page = render(
        "dokunuki.paper",
        "paper.html",
        title="Backdoor poisoning of malware detectors, at the paper's size",
        sections=sections,
        seeds=seeds,
        train_rows=spec["train_rows"],
    )
    write_text(html, page)
    import pandas as pd

    with atomic_write(csv) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False, float_format="%.6f", lineterminator="\n")


def answer_rows(summary: pd.DataFrame, grid: Mapping[str, Any]) -> list[Row]:
    """One row per dataset, classifier, attack and defence of a grid, at its fixed N and p.

    `summary` is that of `summarise`. A row has these four by name; `trigger_size` and
    `poison_rate`; mean and half of the interval of accuracy, ASR, ASR without poison and their
    difference; and `clean_accuracy`, that of the unpoisoned detector. Raises DokunukiError where
    the summary lacks a cell.
    """
    size, rate = grid["fixed_trigger_size"], grid["fixed_poison_rate"]
    key = ["dataset", "classifier", "attack", "defence"]
    unpoisoned = summary[summary["attack"] == NO_ATTACK].set_index(
        ["dataset", "classifier", "defence"]
    )
    cells = summary[
        (summary["trigger_size"] == size) & np.isclose(summary["poison_rate"].astype(float), rate)
    ].set_index(key)
    rows = []
    for dataset in grid["datasets"]:
        for classifier in grid["classifiers"]:
            for attack in grid["attacks"]:
                for defence in grid["defences"]:
                    place = (dataset, classifier, attack, defence)
                    if place not in cells.index:
                        raise DokunukiError(
                            f"the metrics hold no cell {', '.join(place)} with N = {size} and "
                            f"p = {rate:g} %: compute the grid of this page first (`make paper`)"
                        )
                    cell = cells.loc[place]
                    row: Row = dict(zip(key, place, strict=True))
                    row |= {"trigger_size": size, "poison_rate": rate}
                    row["clean_accuracy"] = unpoisoned.loc[
                        (dataset, classifier, defence), "accuracy_mean"
                    ]
                    for measure in _MEASURES:
                        row[measure] = cell[f"{measure}_mean"]
                        row[f"{measure}_half"] = cell[f"{measure}_half"]
                    rows.append(row)
    return rows


def _tables(rows: Sequence[Row], grid: Mapping[str, Any]) -> list[tuple[str, Table]]:
    titles = grid["titles"]
    point = f"N = {grid['fixed_trigger_size']}, p = {grid['fixed_poison_rate']:g} %"
    columns = [
        Column("Attack", lambda row: titles["attacks"][row["attack"]], ""),
        Column("Defence", lambda row: titles["defences"][row["defence"]], ""),
        _shares("Accuracy", "accuracy"),
        _shares("ASR", "asr"),
        _shares("ASR unpoisoned", "asr_clean"),
        _shares("ΔASR", "delta_asr", signed=True),
    ]
    tables = []
    for dataset in grid["datasets"]:
        for classifier in grid["classifiers"]:
            held = [r for r in rows if (r["dataset"], r["classifier"]) == (dataset, classifier)]
            heading = f"{titles['datasets'][dataset]}, {titles['classifiers'][classifier]}, {point}"
            tables.append((heading, Table(columns, held)))
    return tables


def _shares(head: str, measure: str, *, signed: bool = False) -> Column:
    return Column(head, lambda row: share(row[measure], row[f"{measure}_half"], signed=signed))


def _heading(file: Path, name: str, grid: Mapping[str, Any]) -> str:
    """What a figure shows, for readers who do not see it."""
    named = [*file.parts[file.parts.index(name) + 1 : -1], file.stem]
    labels = {
        key: label
        for kind in ("datasets", "classifiers", "attacks")
        for key, label in grid["titles"][kind].items()
    }
    return ", ".join(labels.get(part, part) for part in named)


def _data_uri(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")
