"""Figures of what no paper has: what a lossy representation, a long training and a count do.

- map: attack success rate against clean accuracy, as defences go from lossy to faithful;
- training-length: attack success rate over the epochs that the victim is trained for;
- poison-count: attack success rate over the share and over the number of poisoned rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from dokunuki.errors import DokunukiError
from dokunuki.evaluation.metrics import read_metrics
from dokunuki.evaluation.summary import summarise
from dokunuki.figures.labelling import place_labels
from dokunuki.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    NOTE_SIZE,
    ORANGE,
    PURPLE,
    VERMILLION,
    house_style,
    save_figure,
    titled,
)
from dokunuki.study.keys import NO_ATTACK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

    Spec = Mapping[str, Any]

# Colour and marker of a point of the map, by the class of the defence.
_KINDS = {
    "dokunuki.defences.autoencoder.AutoencoderReconstruction": ("Autoencoder", BLUE, "D"),
    "dokunuki.defences.attackable.AttackableTransform": ("PCA", VERMILLION, "s"),
    "dokunuki.defences.clipping.Clipping": ("Clipping", GREEN, "^"),
    "dokunuki.defences.added_noise.AddedNoise": ("Noise", PURPLE, "v"),
}
_OTHER_KIND = ("No defence, Deletion", BLACK, "o")
_ATTACK_LINES = ((BLUE, "o"), (ORANGE, "s"), (PURPLE, "^"), (GREEN, "D"), (VERMILLION, "v"))
# Inches.
_PANEL_WIDTH, _PANEL_HEIGHT = 4.2, 4.4


def write_finding(
    name: str, metrics: str | Path, spec: Spec, *, svg: str | Path, png: str | Path
) -> None:
    """Draw the finding of that name from the metrics table.

    `spec` is that of `study.results.finding_spec`. Raises DataFileError for a damaged table,
    DokunukiError for one that lacks what is drawn.
    """
    draw, title = _FINDINGS[name]
    table = read_metrics(metrics)
    with house_style():
        figure = Figure(layout="constrained")
        draw(figure, title, table, spec)
        save_figure(figure, svg, png, title)


def _share(axes: Axes, axis: str = "y") -> None:
    getattr(axes, f"{axis}axis").set_major_formatter(lambda share, _: f"{100 * share:.4g}")


def _asr_scale(axes: Axes) -> None:
    axes.set_ylim(-0.03, 1.03)
    axes.yaxis.set_major_locator(FixedLocator(list(np.arange(0, 1.01, 0.2))))
    _share(axes)


def _attacked(summary: pd.DataFrame, spec: Spec, dataset: str, attack: str) -> pd.DataFrame:
    """The rows of an attack at the grid's one N and its rates, one classifier or several."""
    rows: pd.DataFrame = summary[
        (summary["dataset"] == dataset)
        & (summary["attack"] == attack)
        & summary["defence"].isin(list(spec["defences"]))
        & summary["classifier"].isin(list(spec["classifiers"]))
        & (summary["trigger_size"] == spec["trigger_size"])
        & (summary["poison_rate"] > 0)
    ]
    if rows.empty:
        raise DokunukiError(
            f"the metrics hold no row of dataset {dataset!r} and attack {attack!r} with N = "
            f"{spec['trigger_size']}: compute the grid of this figure first (`make paper`)"
        )
    return rows


def _panels(
    figure: Figure, title: str, spec: Spec, rows: Sequence[str], columns: Sequence[str]
) -> tuple[SubFigure, np.ndarray]:
    """The figure's body and its axes, (rows, columns), under title and subtitle."""
    figure.set_size_inches(
        max(6.4, _PANEL_WIDTH * len(columns)), 0.9 + _PANEL_HEIGHT * max(1, len(rows))
    )
    body = titled(figure, title, spec["subtitle"], size=11)
    axes = body.subplots(len(rows), len(columns), squeeze=False, sharey=True)
    return body, axes


def _legend(body: SubFigure, handles: Sequence[Line2D], note: str) -> None:
    legend = body.legend(
        handles=list(handles), ncols=min(6, len(handles)), loc="outside lower center",
        title=note, title_fontsize=NOTE_SIZE, alignment="left",
    )  # fmt: skip
    legend.get_title().set_color(GREY)


def _draw_map(figure: Figure, title: str, table: pd.DataFrame, spec: Spec) -> None:
    summary = summarise(table)
    rate = spec["poison_rate"]
    datasets, attacks = list(spec["datasets"]), list(spec["attacks"])
    body, axes = _panels(figure, title, spec, datasets, attacks)
    drawn: dict[str, tuple[str, str]] = {}
    crowded = []
    for (row, dataset), (column, attack) in (
        (one, other) for one in enumerate(datasets) for other in enumerate(attacks)
    ):
        panel = axes[row, column]
        here = _attacked(summary, spec, dataset, attack)
        here = here[np.isclose(here["poison_rate"], rate)].set_index("defence")
        clean = summary[(summary["dataset"] == dataset) & (summary["attack"] == NO_ATTACK)]
        clean = clean[clean["classifier"].isin(list(spec["classifiers"]))].set_index("defence")
        points, labels, colours = [], [], []
        for name, defence in spec["defences"].items():
            if name not in here.index or np.isnan(here.loc[name, "asr_mean"]):
                continue
            kind, colour, marker = _KINDS.get(defence["class"], _OTHER_KIND)
            drawn[kind] = (colour, marker)
            points.append([clean.loc[name, "accuracy_mean"], here.loc[name, "asr_mean"]])
            labels.append(defence["label"])
            colours.append(colour)
            panel.plot(*points[-1], marker=marker, color=colour, linestyle="", zorder=3)
            # What the trigger does without any poison, right under its point.
            evasion = here.loc[name, "asr_clean_mean"]
            panel.plot(
                [points[-1][0]] * 2, [evasion, points[-1][1]], color=colour, alpha=0.35,
                linewidth=0.8, marker="", zorder=1,
            )  # fmt: skip
        _asr_scale(panel)
        _share(panel, "x")
        panel.xaxis.set_major_locator(MaxNLocator(6))
        panel.margins(x=0.18)
        panel.set_title(spec["attacks"][attack], loc="left", fontsize=9)
        panel.set_xlabel("Accuracy without attack (%)")
        if not column:
            panel.set_ylabel("Attack success rate (%)")
        crowded.append((panel, np.array(points), labels, colours))
    handles = [
        Line2D([], [], color=colour, marker=marker, linestyle="", label=kind)
        for kind, (colour, marker) in drawn.items()
    ]
    note = (
        "Means over seeds. A thin line leads from a point down to what the trigger does unpoisoned."
    )
    _legend(body, handles, note)
    figure.draw_without_rendering()
    for panel, places, labels, colours in crowded:
        place_labels(panel, places, labels, colours)


def _draw_training_length(figure: Figure, title: str, table: pd.DataFrame, spec: Spec) -> None:
    summary = summarise(table)
    epochs = spec["epochs"]
    datasets, defences = list(spec["datasets"]), list(spec["defences"])
    body, axes = _panels(figure, title, spec, datasets, defences)
    for row, dataset in enumerate(datasets):
        for column, defence in enumerate(defences):
            panel = axes[row, column]
            for attack, (colour, marker) in zip(spec["attacks"], _ATTACK_LINES, strict=False):
                here = _attacked(summary, spec, dataset, attack)
                here = here[here["defence"] == defence].set_index("classifier")
                here = here.reindex(sorted(epochs, key=epochs.__getitem__))
                x = [epochs[name] for name in here.index]
                style: dict[str, Any] = {"color": colour, "marker": marker}
                _errorbar(panel, x, here, "asr", style)
                panel.plot(x, here["asr_clean_mean"], linestyle=":", linewidth=1.0, **style)
            _asr_scale(panel)
            _log_ticks(panel, sorted(epochs.values()))
            panel.set_title(spec["defences"][defence]["label"], loc="left", fontsize=9)
            panel.set_xlabel(f"Epochs of {spec['steps_per_epoch']} steps")
            if not column:
                panel.set_ylabel("Attack success rate (%)")
    handles = [
        Line2D([], [], color=colour, marker=marker, label=label)
        for label, (colour, marker) in zip(spec["attacks"].values(), _ATTACK_LINES, strict=False)
    ]
    _legend(body, handles, "Dotted: the same trigger without any poison.")


def _draw_poison_count(figure: Figure, title: str, table: pd.DataFrame, spec: Spec) -> None:
    summary = summarise(table)
    attacks = list(spec["attacks"])
    body, axes = _panels(figure, title, spec, attacks, ["p", "rows"])
    counts = table.groupby(["dataset", "poison_rate"])["poison_rows"].mean()
    handles = []
    for row, attack in enumerate(attacks):
        for dataset, (colour, marker) in zip(spec["datasets"], _ATTACK_LINES, strict=False):
            here = _attacked(summary, spec, dataset, attack).sort_values("poison_rate")
            rates = list(here["poison_rate"])
            rows = [float(counts[dataset, rate]) for rate in rates]
            style: dict[str, Any] = {"color": colour, "marker": marker}
            for panel, x in zip(axes[row], (rates, rows), strict=True):
                _errorbar(panel, x, here, "asr", style)
                panel.plot(x, here["asr_clean_mean"], linestyle=":", linewidth=1.0, **style)
            if not row:
                label = f"{spec['train_rows'][dataset]:,} training rows"
                handles.append(Line2D([], [], label=label, **style))
        for panel, label in zip(axes[row], ("Poison rate p (%)", "Poisoned rows"), strict=True):
            _asr_scale(panel)
            seen = sorted({round(x, 4) for line in panel.lines for x in line.get_xdata()})
            _log_ticks(panel, seen)
            panel.set_xlabel(label)
            panel.set_title(spec["attacks"][attack], loc="left", fontsize=9)
        axes[row, 0].set_ylabel("Attack success rate (%)")
    _legend(body, handles, "Dotted: the same trigger without any poison.")


def _errorbar(
    axes: Axes, x: Sequence[float], rows: pd.DataFrame, measure: str, style: Mapping[str, Any]
) -> None:
    mean = rows[f"{measure}_mean"].to_numpy(dtype=float)
    ends = [
        mean - rows[f"{measure}_low"].to_numpy(dtype=float),
        rows[f"{measure}_high"].to_numpy(dtype=float) - mean,
    ]
    axes.errorbar(x, mean, yerr=np.array(ends), elinewidth=0.8, capsize=1.8, **style)


def _log_ticks(axes: Axes, values: Sequence[float]) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(list(values)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")


_FINDINGS: dict[str, tuple[Callable[[Figure, str, pd.DataFrame, Spec], None], str]] = {
    "map": (_draw_map, "Attack success rate against accuracy, from lossy to faithful"),
    "training-length": (_draw_training_length, "Attack success rate over the length of training"),
    "poison-count": (
        _draw_poison_count,
        "Attack success rate over share and number of poisoned rows",
    ),
}
