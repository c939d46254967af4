"""The answer in one figure: what each defence does to each attack, and what it costs."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, MultipleLocator, PercentFormatter

from dokunuki.errors import DokunukiError
from dokunuki.evaluation.metrics import read_metrics
from dokunuki.evaluation.summary import summarise
from dokunuki.figures.style import (
    GREY,
    NOTE_SIZE,
    DefenceStyle,
    defence_styles,
    house_style,
    save_figure,
    titled,
)
from dokunuki.study.keys import NO_ATTACK

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    from matplotlib.axes import Axes

# Inches: the width, a defence's row, what an attack and the figure take beside their rows.
_WIDTH, _ROW, _ATTACK, _AROUND = 6.4, 0.235, 0.3, 1.35
_NAME_WIDTH = 30
_MOST_NOTES = 4
# More defences than these set the lowest axis too far from the highest: all get their numbers.
_FEW = 8
_BAND, _BAND_HEIGHT = "#d9d9d9", 0.52


class Point(NamedTuple):
    """One defence under one attack: mean and ends of its interval, and the mean without poison.

    Shares; ends are NaN where there is no interval, all are NaN where there is no result.
    """

    mean: float
    low: float
    high: float
    unpoisoned: float


def cell_rows(
    summary: pd.DataFrame, attacks: Collection[str], trigger_size: int, poison_rate: float
) -> pd.DataFrame:
    """The rows of these attacks at one N and p (percent)."""
    here = np.isclose(summary["poison_rate"].astype(float), poison_rate)
    here &= summary["attack"].isin(list(attacks)) & (summary["trigger_size"] == trigger_size)
    return summary[here]


def answer_points(
    summary: pd.DataFrame, attack: str, trigger_size: int, poison_rate: float
) -> dict[str, dict[str, Point]]:
    """By defence, the points of "asr" and "accuracy" under an attack, from one `summarise`d grid.

    `summary` holds the rows of one dataset and classifier. The ASR without poison is that of the
    same trigger, the accuracy without poison that of the unpoisoned cell. A defence that has no
    row at this N and p is left out.
    """
    unpoisoned = summary[summary["attack"] == NO_ATTACK].set_index("defence")["accuracy_mean"]
    return {
        row["defence"]: {
            measure: Point(
                mean=float(row[f"{measure}_mean"]),
                low=float(row[f"{measure}_low"]),
                high=float(row[f"{measure}_high"]),
                unpoisoned=float(clean),
            )
            for measure, clean in (
                ("asr", row["asr_clean_mean"]),
                ("accuracy", unpoisoned.get(row["defence"], np.nan)),
            )
        }
        for row in cell_rows(summary, [attack], trigger_size, poison_rate).to_dict("records")
    }


def _accuracy_limits(points: Sequence[Point]) -> tuple[float, float]:
    """A range that shows all means; intervals widen it by at most 15 points below them."""
    means = [value for point in points for value in (point.mean, point.unpoisoned)]
    if np.isnan(means).all():
        return 0.0, 1.0
    lowest = np.nanmin([*means, *(point.low for point in points)])
    highest = np.nanmax([*means, *(point.high for point in points)])
    step = 0.05
    low = step * np.floor(max(lowest, np.nanmin(means) - 0.15) / step)
    high = min(1.0, step * np.ceil(highest / step))
    return float(max(0.0, min(low, high - 0.1))), float(high)


def draw_points(
    axes: Axes, points: Mapping[str, Point], styles: Mapping[str, DefenceStyle]
) -> None:
    """One row per defence of `styles`, the first on top: its point, and its mean without poison.

    A band joins the two; it is what the poison did. A defence without result leaves its row empty
    but for these words.
    """
    for place, (name, style) in enumerate(styles.items()):
        point = points.get(name)
        if point is None or np.isnan(point.mean):
            axes.annotate(
                "no result",
                (0.01, place),
                xycoords=("axes fraction", "data"),
                va="center",
                fontsize=NOTE_SIZE,
                color=GREY,
            )
            continue
        axes.barh(
            place,
            point.mean - point.unpoisoned,
            left=point.unpoisoned,
            height=_BAND_HEIGHT,
            color=_BAND,
            zorder=1.5,
        )
        axes.plot(point.unpoisoned, place, "|", color=GREY, markersize=9, zorder=2)
        axes.errorbar(
            point.mean,
            place,
            xerr=[[point.mean - point.low], [point.high - point.mean]],
            elinewidth=1,
            capsize=2,
            capthick=1,
            zorder=3,
            **style.line,
        )
    axes.set_ylim(len(styles) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")
    axes.xaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0, symbol=None))


def _footnote(rows: pd.DataFrame, attacks: Mapping[str, str], labels: Mapping[str, str]) -> str:
    """What is drawn of these rows, then which seeds diverged, cut after a few."""
    seeds = int((rows["seeds_ok"] + rows["seeds_failed"]).max())
    drawn = "One seed, no interval." if seeds == 1 else f"Mean and 95 % interval of {seeds} seeds."
    shown = [
        f"{labels[row['defence']]} under {attacks[row['attack']]}: {row['seeds_failed']} of "
        f"{row['seeds_ok'] + row['seeds_failed']} seeds diverged"
        for row in rows[rows["seeds_failed"] > 0].to_dict("records")
    ]
    if len(shown) > _MOST_NOTES:
        shown[_MOST_NOTES - 1 :] = [f"{len(shown) - _MOST_NOTES + 1} more: see the table"]
    return f"{drawn} {'; '.join(shown)}." if shown else drawn


def _add_legend(figure: Figure, footnote: str) -> None:
    """Below the axes, what the marks stand for; the defences are named beside their rows."""
    marks = {
        "trained on poisoned rows": Line2D([], [], color=GREY, marker="o", linewidth=1),
        "on unpoisoned rows": Line2D([], [], color=GREY, marker="|", markersize=9, linewidth=0),
        "difference (left: ΔASR)": Rectangle((0, 0), 1, 1, color=_BAND),
    }
    legend = figure.legend(
        list(marks.values()),
        list(marks),
        loc="outside lower left",
        ncols=len(marks),
        handlelength=2,
        columnspacing=1.4,
        title=textwrap.fill(footnote, int(figure.get_size_inches()[0] * 19)),
        title_fontsize=NOTE_SIZE,
        alignment="left",
    )
    legend.get_title().set_color(GREY)


def write_answer_plot(
    svg: str | Path,
    png: str | Path,
    summary: pd.DataFrame,
    *,
    attacks: Mapping[str, str],
    styles: Mapping[str, DefenceStyle],
    data_label: str,
    trigger_size: int,
    poison_rate: float,
) -> None:
    """Write the figure of one dataset and classifier: one row of axes per attack, ASR and accuracy.

    `attacks` are labels by name. `summary` holds the rows of this dataset and classifier alone.
    All axes of a measure share their range.
    """
    points = {
        attack: answer_points(summary, attack, trigger_size, poison_rate) for attack in attacks
    }
    labels = {name: style.label for name, style in styles.items()}
    names = [textwrap.fill(label, _NAME_WIDTH) for label in labels.values()]
    lines = max(1 + name.count("\n") for name in names)
    title = f"Attack success and accuracy by defence, N = {trigger_size}, p = {poison_rate:g} %"
    with house_style():
        height = _AROUND + len(attacks) * (_ATTACK + _ROW * max(lines * len(names), 2))
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        body = titled(figure, title, data_label)
        grid = body.subplots(
            len(attacks), 2, sharex="col", squeeze=False, gridspec_kw={"width_ratios": [1.5, 1]}
        )
        for (attack, label), (success, accuracy) in zip(attacks.items(), grid, strict=True):
            for axes, measure in ((success, "asr"), (accuracy, "accuracy")):
                here = {name: both[measure] for name, both in points[attack].items()}
                draw_points(axes, here, styles)
                if len(names) > _FEW:
                    axes.tick_params(axis="x", labelbottom=True)
            success.set_yticks(range(len(names)), names)
            accuracy.set_yticks([])
            success.set_title(label, loc="left", fontsize=8.5, fontweight="bold")
        success.set_xlim(-0.03, 1.03)
        success.xaxis.set_major_locator(MultipleLocator(0.2))
        success.set_xlabel("Attack success rate (%)")
        low, high = _accuracy_limits(
            [both["accuracy"] for found in points.values() for both in found.values()]
        )
        accuracy.set_xlim(low - 0.03 * (high - low), high + 0.03 * (high - low))
        accuracy.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        accuracy.set_xlabel("Accuracy (%)")
        drawn = cell_rows(summary, attacks, trigger_size, poison_rate)
        drawn = drawn[drawn["defence"].isin(list(styles))]
        _add_legend(figure, _footnote(drawn, attacks, labels))
        save_figure(figure, svg, png, f"{title}. {data_label}")


def plot_answer(
    metrics: str | Path,
    *,
    dataset: str,
    classifier: str,
    titles: Mapping[str, Mapping[str, str]],
    trigger_size: int,
    poison_rate: float,
    svg: str | Path,
    png: str | Path,
) -> None:
    """Draw what each defence does to each attack at one N and p (percent), from the metrics table.

    `titles` are the labels of datasets, attacks, classifiers and defences, in their order. Defences
    that were not run with the classifier are left out. Raises DataFileError for a damaged table,
    `DokunukiError` for one without a row of the dataset and classifier at this N and p.
    """
    summary = summarise(read_metrics(metrics))
    summary = summary[(summary["dataset"] == dataset) & (summary["classifier"] == classifier)]
    run = set(cell_rows(summary, titles["attacks"], trigger_size, poison_rate)["defence"])
    if not run & set(titles["defences"]):
        raise DokunukiError(
            f"{metrics}: no row of dataset {dataset!r} with classifier {classifier!r} at "
            f"N = {trigger_size}, p = {poison_rate:g} %, although the configuration's grid has "
            "them: it is of another run; delete it and run the same command again"
        )
    label = titles["datasets"][dataset]
    if "simulated" in set(summary["corpus"]) and "simulated" not in label.lower():
        label += " (simulated corpus)"
    write_answer_plot(
        svg,
        png,
        summary,
        attacks=titles["attacks"],
        # All of them first: a defence has the same colour and marker in every figure.
        styles={
            name: style for name, style in defence_styles(titles["defences"]).items() if name in run
        },
        data_label=f"{label}, {titles['classifiers'][classifier]}",
        trigger_size=trigger_size,
        poison_rate=poison_rate,
    )
