"""What the report opens with: attack by defence at one N and p, in numbers and as a figure."""

from __future__ import annotations

import base64
import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dokunuki.errors import DokunukiError
from dokunuki.evaluation.metrics import read_metrics
from dokunuki.evaluation.summary import summarise
from dokunuki.figures.pages import NONE, render, share
from dokunuki.storage.files import write_text
from dokunuki.study.keys import NO_ATTACK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd


def answer_rows(
    summary: pd.DataFrame,
    titles: Mapping[str, Mapping[str, str]],
    trigger_size: int,
    poison_rate: float,
) -> list[dict[str, Any]]:
    """By attack, in the order of `titles`, the text of each defence's measures; shares in percent.

    `summary` (of `summarise`) holds the rows of one dataset and classifier. The first entry is the
    unpoisoned cell, which has an accuracy alone. An attack marks as lowest the defences of the
    lowest mean ASR, where there are others to compare. Defences without a row at this N and p are
    left out.
    """
    rates = summary["poison_rate"].astype(float)
    here = (summary["trigger_size"] == trigger_size) & np.isclose(rates, poison_rate)
    here |= summary["attack"] == NO_ATTACK
    rows = summary[here].set_index(["attack", "defence"]).to_dict("index")
    run = [
        name for name in titles["defences"] if any((key, name) in rows for key in titles["attacks"])
    ]
    answer = []
    for attack, label in {NO_ATTACK: "No attack", **titles["attacks"]}.items():
        found = {name: rows[attack, name] for name in run if (attack, name) in rows}
        rates_of_success = [row["asr_mean"] for row in found.values()]
        known = [rate for rate in rates_of_success if not np.isnan(rate)]
        lowest = min(known) if len(known) > 1 else np.nan
        answer.append(
            {
                "label": label,
                "defences": [
                    {
                        "label": titles["defences"][name],
                        "accuracy": share(row["accuracy_mean"], row["accuracy_half"]),
                        "asr": share(row["asr_mean"], row["asr_half"]),
                        "delta_asr": share(
                            row["delta_asr_mean"], row["delta_asr_half"], signed=True
                        ),
                        "lowest": bool(np.isclose(row["asr_mean"], lowest)),
                        "seeds_ok": int(row["seeds_ok"]),
                        "seeds": int(row["seeds_ok"] + row["seeds_failed"]),
                    }
                    for name, row in found.items()
                ],
            }
        )
    return [attack for attack in answer if attack["defences"]]


def answer_page(
    summary: pd.DataFrame,
    figures: Mapping[tuple[str, str], bytes],
    *,
    titles: Mapping[str, Mapping[str, str]],
    trigger_size: int,
    poison_rate: float,
) -> str:
    """The answer as HTML that stands within another page and alone; it needs no other file.

    `figures` are the SVGs by (dataset, classifier), in the order of the page; `titles` are the
    labels of datasets, attacks, classifiers and defences. Each figure has a table beside it. Raises
    `DokunukiError` where the summary holds no row of a dataset and classifier at this N and p.
    """
    sections, seeds = [], 0
    for (dataset, classifier), figure in figures.items():
        rows = summary[(summary["dataset"] == dataset) & (summary["classifier"] == classifier)]
        attacks = answer_rows(rows, titles, trigger_size, poison_rate)
        if not attacks:
            raise DokunukiError(
                f"the metrics hold no row of dataset {dataset!r} with classifier {classifier!r} at "
                f"N = {trigger_size}, p = {poison_rate:g} %, although the configuration's grid has "
                "them: they are of another run; delete the metrics and run the same command again"
            )
        label = titles["datasets"][dataset]
        if "simulated" in set(rows["corpus"]) and "simulated" not in label.lower():
            label += " (simulated corpus)"
        cells = [row for attack in attacks for row in attack["defences"]]
        seeds = max(seeds, *(row["seeds"] for row in cells))
        sections.append(
            {
                "title": f"{label}, {titles['classifiers'][classifier]}",
                "attacks": attacks,
                "diverged": any(row["seeds_ok"] < row["seeds"] for row in cells),
                "compared": any(row["lowest"] for row in cells),
                "figure": base64.b64encode(figure).decode("ascii"),
            }
        )
    return render(
        __name__,
        "answer.html",
        sections=sections,
        trigger_size=trigger_size,
        poison_rate=f"{poison_rate:g}",
        seeds=seeds,
        none_mark=NONE,
    )


def write_answer(
    metrics: str | Path,
    figures: Sequence[str | Path],
    *,
    answer: str | Path,
    titles: Mapping[str, Mapping[str, str]],
    trigger_size: int,
    poison_rate: float,
) -> None:
    """Write `answer_page` from the metrics table and the figures of `plot_answer`.

    `figures` are the SVGs of every dataset with every classifier, in the order of `titles`. Raises
    DataFileError for a damaged table.
    """
    pairs = itertools.product(titles["datasets"], titles["classifiers"])
    images = {pair: Path(file).read_bytes() for pair, file in zip(pairs, figures, strict=True)}
    summary = summarise(read_metrics(metrics))
    write_text(
        answer,
        answer_page(
            summary, images, titles=titles, trigger_size=trigger_size, poison_rate=poison_rate
        ),
    )
