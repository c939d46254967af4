"""The panels of an attack: ASR, what poisoning adds to it, and accuracy, over N and over p.

Those of ASR and accuracy are the paper's (figures 2-4).
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MultipleLocator, NullLocator, PercentFormatter
from matplotlib.transforms import ScaledTranslation

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
from dokunuki.study.panels import PANELS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.container import ErrorbarContainer

    from dokunuki.study.panels import Axis, Measure

_MEASURE_LABELS = {
    "asr": "Attack success rate",
    "delta_asr": "ΔASR, added by the poison",
    "accuracy": "Accuracy",
}
_SCALE_LABELS = {
    "asr": "Attack success rate (%)",
    "delta_asr": "ΔASR (percentage points)",
    "accuracy": "Accuracy (%)",
}
_AXIS_LABELS = {
    "trigger_size": "Trigger size N (features)",
    "poison_rate": "Poison rate p (% of the training rows)",
}
_OTHER_AXIS: dict[str, Axis] = {"trigger_size": "poison_rate", "poison_rate": "trigger_size"}

# Inches without the legend, by which a figure grows.
_PANEL_SIZE, _PAGE_SIZE = (4.8, 3.25), (8.6, 9.4)
_MOST_NOTES = 4


@dataclass(frozen=True)
class View:
    """Which rows of a summary a figure shows, and what the figure calls them.

    `styles` holds the defences to show, in the order of the legend. `corpus` is that of the table:
    rows of the simulated corpus are called so in every title.
    """

    dataset: str
    corpus: str
    attack: str
    classifier: str
    dataset_label: str
    attack_label: str
    classifier_label: str
    styles: Mapping[str, DefenceStyle]

    @classmethod
    def titled(
        cls,
        titles: Mapping[str, Mapping[str, str]],
        defences: Sequence[str],
        dataset: str,
        corpus: str,
        attack: str,
        classifier: str,
    ) -> View:
        """The view with its labels from `titles` (datasets, attacks, classifiers, defences)."""
        return cls(
            dataset=dataset,
            corpus=corpus,
            attack=attack,
            classifier=classifier,
            dataset_label=titles["datasets"][dataset],
            attack_label=titles["attacks"][attack],
            classifier_label=titles["classifiers"][classifier],
            styles=defence_styles({name: titles["defences"][name] for name in defences}),
        )

    def rows(self, summary: pd.DataFrame) -> pd.DataFrame:
        """The summary's rows of this dataset, attack and classifier and of these defences."""
        chosen = (
            (summary["dataset"] == self.dataset)
            & (summary["corpus"] == self.corpus)
            & (summary["attack"] == self.attack)
            & (summary["classifier"] == self.classifier)
            & summary["defence"].isin(list(self.styles))
        )
        return summary[chosen]

    @property
    def data_label(self) -> str:
        """Dataset and classifier as a title names them."""
        marked = self.corpus == "simulated" and "simulated" not in self.dataset_label.lower()
        suffix = " (simulated corpus)" if marked else ""
        return f"{self.dataset_label}{suffix}, {self.classifier_label}"


def _point(axis: str, value: float) -> str:
    return f"N = {value:g}" if axis == "trigger_size" else f"p = {value:g} %"


def _sweep(summary: pd.DataFrame, view: View, axis: Axis, fixed: float) -> pd.DataFrame:
    rows = view.rows(summary)
    other = _OTHER_AXIS[axis]
    sweep = rows[np.isclose(rows[other].astype(float), fixed)]
    if sweep.empty:
        raise DokunukiError(
            f"the metrics hold no row of dataset {view.dataset!r}, attack {view.attack!r}, "
            f"classifier {view.classifier!r} with {other} = {fixed:g}: "
            "add it to the configuration's grid, or do not ask for this figure"
        )
    return sweep.sort_values(axis)


def _notes(sweep: pd.DataFrame, view: View, axis: Axis) -> list[str]:
    """What the panel leaves out: diverged seeds, and points that the table does not hold."""
    places: dict[str, list[float]] = {}
    values = sorted(sweep[axis].unique())
    for name, style in view.styles.items():
        points = sweep[sweep["defence"] == name].set_index(axis)
        for value in values:
            if value not in points.index:
                places.setdefault(f"{style.label}: no result", []).append(value)
                continue
            ok, failed = points.loc[value, ["seeds_ok", "seeds_failed"]]
            if failed:
                text = f"{style.label}: {failed} of {ok + failed} seeds diverged"
                places.setdefault(text, []).append(value)
    # "N = 8, 16" and "p = 1, 2 %": one unit for all values.
    return [
        f"{text} at {_point(axis, at[0]).removesuffix(' %')}"
        + "".join(f", {value:g}" for value in at[1:])
        + (" %" if axis == "poison_rate" else "")
        for text, at in places.items()
    ]


def accuracy_limits(summary: pd.DataFrame, view: View) -> tuple[float, float]:
    """A range that shows all accuracies of an attack, the same for both of its sweeps.

    Intervals widen it by at most 15 points below the means: with two or three seeds they would
    otherwise press the lines together.
    """
    rows = view.rows(summary)
    means = rows["accuracy_mean"].dropna()
    if means.empty:
        return 0.0, 1.0
    lowest = min([means.min(), *rows["accuracy_low"].dropna()])
    step = 0.05
    low = step * np.floor(max(lowest, means.min() - 0.15) / step)
    high = min(1.0, step * np.ceil(max([means.max(), *rows["accuracy_high"].dropna()]) / step))
    return float(max(0.0, min(low, high - 0.1))), float(high)


def delta_limits(summary: pd.DataFrame, view: View) -> tuple[float, float]:
    """From the lowest ΔASR of an attack, or zero, to one; the same for both of its sweeps.

    Below zero the poison helped the defender. Intervals widen the range by at most 15 points below
    the means, as those of `accuracy_limits` do.
    """
    rows = view.rows(summary)
    means = rows["delta_asr_mean"].dropna()
    if means.empty:
        return 0.0, 1.0
    lowest = max(min([means.min(), *rows["delta_asr_low"].dropna()]), means.min() - 0.15)
    step = 0.1
    # Rounded first: -0.1 is to stay -0.1.
    return float(min(0.0, step * np.floor(round(lowest / step, 6)))), 1.0


def _limits(summary: pd.DataFrame, view: View, measure: Measure) -> tuple[float, float]:
    if measure == "asr":
        return 0.0, 1.0
    return (delta_limits if measure == "delta_asr" else accuracy_limits)(summary, view)


def _set_sweep_scale(axes: Axes, axis: Axis, values: Sequence[float]) -> None:
    """Ticks at the values alone; N in powers of two and a place for 0, p linear.

    Where that would make tick labels collide, the values are spaced evenly instead.
    """
    places = np.array(values, dtype=np.float64)
    if axis == "trigger_size":
        axes.set_xscale("symlog", base=2, linthresh=1, linscale=0.5)
    transform = axes.xaxis.get_transform()
    along = transform.transform(places)
    if len(places) > 1 and np.diff(along).min() < 0.06 * np.ptp(along):
        # Beyond the ends the last step goes on, since np.interp would stop there.
        knots = np.array(
            [2 * places[0] - places[1], *places, 2 * places[-1] - places[-2]], dtype=np.float64
        )
        ranks = np.arange(-1.0, len(places) + 1)
        axes.set_xscale(
            "function",
            functions=(
                lambda x: np.interp(x, knots, ranks),
                lambda rank: np.interp(rank, ranks, knots),
            ),
        )
        transform = axes.xaxis.get_transform()
        along = transform.transform(places)
    margin = 0.06 * np.ptp(along) or 0.5
    ends = np.array([along[0] - margin, along[-1] + margin])
    axes.set_xlim(*transform.inverted().transform(ends))
    axes.xaxis.set_major_locator(FixedLocator(list(places)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")


def _set_share_scale(axes: Axes, low: float, high: float) -> None:
    span = high - low
    # Room for whole markers at both ends.
    axes.set_ylim(low - 0.03 * span, high + 0.03 * span)
    step = next(s for s in (0.02, 0.05, 0.1, 0.2) if span / s <= 6 or s == 0.2)
    axes.yaxis.set_major_locator(MultipleLocator(step))
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0, symbol=None))


def draw_panel(
    axes: Axes,
    summary: pd.DataFrame,
    view: View,
    measure: Measure,
    axis: Axis,
    fixed: float,
) -> list[str]:
    """Draw one panel: mean and 95 % interval of `measure` over `axis`, one line per defence.

    `fixed` is the value of the other axis: p in percent when N varies, N when p varies. Lines and
    error bars stand side by side by a few points on paper, so that equal defences stay readable;
    the data in the lines are those of the summary. A point without a single good seed leaves a gap.
    Returns footnotes on what is left out. Raises `DokunukiError` when the summary has no such rows.
    """
    sweep = _sweep(summary, view, axis, fixed)
    step = min(2.6, 15 / max(1, len(view.styles)))
    for position, (name, style) in enumerate(view.styles.items()):
        points = sweep[sweep["defence"] == name]
        mean = points[f"{measure}_mean"].to_numpy(dtype=np.float64)
        below = mean - points[f"{measure}_low"].to_numpy(dtype=np.float64)
        above = points[f"{measure}_high"].to_numpy(dtype=np.float64) - mean
        aside = (position - (len(view.styles) - 1) / 2) * step / 72
        shift = ScaledTranslation(aside, 0, axes.figure.dpi_scale_trans)
        axes.errorbar(
            points[axis].to_numpy(dtype=np.float64),
            mean,
            yerr=np.stack([below, above]),
            transform=axes.transData + shift,
            label=style.label,
            elinewidth=0.8,
            capsize=1.8,
            capthick=0.8,
            clip_on=True,
            # The first defence, usually none, lies on top: it is what the others are held against.
            zorder=3 - position * 0.01,
            **style.line,
        )
    _set_sweep_scale(axes, axis, sorted(sweep[axis].unique()))
    _set_share_scale(axes, *_limits(summary, view, measure))
    if measure == "delta_asr":
        axes.axhline(0, color=GREY, linewidth=0.7, zorder=1)
    axes.set_xlabel(_AXIS_LABELS[axis])
    axes.set_ylabel(_SCALE_LABELS[measure])
    return _notes(sweep, view, axis)


def _footnote(rows: pd.DataFrame, notes: Iterable[str]) -> str:
    """What is drawn, then the notes, each once, cut after a few."""
    seeds = int((rows["seeds_ok"] + rows["seeds_failed"]).max())
    drawn = "One seed, no interval." if seeds == 1 else f"Mean and 95 % interval of {seeds} seeds."
    unique = list(dict.fromkeys(notes))
    if len(unique) > _MOST_NOTES:
        unique[_MOST_NOTES - 1 :] = [f"{len(unique) - _MOST_NOTES + 1} more: see the table"]
    return f"{drawn} {'; '.join(unique)}." if unique else drawn


def _add_legend(figure: Figure, axes: Axes, footnote: str) -> None:
    """Put the footnote, and the legend under it, below all axes; the figure grows by as much."""
    containers, labels = axes.get_legend_handles_labels()
    width, height = figure.get_size_inches()
    for columns in range(len(labels), 0, -1):
        legend = figure.legend(
            # The lines without their error bars, which would hide the marker's shape.
            [cast("ErrorbarContainer", container)[0] for container in containers],
            labels,
            loc="outside lower center",
            ncols=columns,
            handlelength=3.2,
            columnspacing=1.4,
            title=textwrap.fill(footnote, int(width * 19)),
            title_fontsize=NOTE_SIZE,
            alignment="left",
        )
        extent = legend.get_window_extent()
        if extent.width <= figure.bbox.width or columns == 1:
            break
        legend.remove()
    legend.get_title().set_color(GREY)
    figure.set_size_inches(width, height + extent.height / figure.dpi)


def panel_title(view: View, measure: Measure, axis: Axis, fixed: float) -> str:
    """E.g. "Accuracy, Independent Selection, p = 1 %"."""
    return f"{_MEASURE_LABELS[measure]}, {view.attack_label}, {_point(_OTHER_AXIS[axis], fixed)}"


def write_panel(
    svg: str | Path,
    png: str | Path,
    summary: pd.DataFrame,
    view: View,
    measure: Measure,
    axis: Axis,
    fixed: float,
) -> None:
    """Write one panel that stands on its own: title, legend, footnotes; see `draw_panel`."""
    title = panel_title(view, measure, axis, fixed)
    with house_style():
        figure = Figure(figsize=_PANEL_SIZE, layout="constrained")
        axes = titled(figure, title, view.data_label).add_subplot()
        notes = draw_panel(axes, summary, view, measure, axis, fixed)
        _add_legend(figure, axes, _footnote(_sweep(summary, view, axis, fixed), notes))
        save_figure(figure, svg, png, f"{title}. {view.data_label}")


def write_page(
    svg: str | Path,
    png: str | Path,
    summary: pd.DataFrame,
    view: View,
    fixed_rate: float,
    fixed_size: float,
) -> None:
    """Write the panels of an attack on one page, over N on the left and over p on the right.

    a, b: ASR, c, d: accuracy, lettered as in the paper's figures 2-4; between them ΔASR. N varies
    at p = `fixed_rate` percent, p varies at N = `fixed_size`. One legend; both panels of a measure
    share their range.
    """
    fixed = {"trigger_size": fixed_rate, "poison_rate": fixed_size}
    with house_style():
        figure = Figure(figsize=_PAGE_SIZE, layout="constrained")
        body = titled(figure, view.attack_label, view.data_label, size=12)
        notes = []
        for axes, panel in zip(body.subplots(3, 2).flat, PANELS.values(), strict=True):
            held = fixed[panel.axis]
            notes += draw_panel(axes, summary, view, panel.measure, panel.axis, held)
            letter = f"$\\bf{{{panel.letter}}}$   " if panel.letter else ""
            title = f"{_MEASURE_LABELS[panel.measure]}, {_point(_OTHER_AXIS[panel.axis], held)}"
            axes.set_title(letter + title, loc="left", fontsize=9)
        _add_legend(figure, axes, _footnote(view.rows(summary), notes))
        save_figure(figure, svg, png, f"{view.attack_label}. {view.data_label}")


def draw_panels(
    metrics: str | Path,
    *,
    dataset: str,
    corpus: str,
    attack: str,
    classifier: str,
    titles: Mapping[str, Mapping[str, str]],
    defences: Sequence[str],
    fixed_trigger_size: int,
    fixed_poison_rate: float,
    svg: Sequence[str | Path],
    png: Sequence[str | Path],
    page: tuple[str | Path, str | Path],
) -> None:
    """Draw an attack's panels, each alone and together on a page, from the metrics table.

    `titles` are the labels of datasets, attacks, classifiers and defences; `defences` gives the
    order of the legend. `svg` and `png` are in the order of `PANELS`; `page` is SVG and PNG.
    Raises DataFileError for a damaged table, `DokunukiError` for one that lacks a sweep.
    """
    view = View.titled(titles, defences, dataset, corpus, attack, classifier)
    summary = summarise(read_metrics(metrics))
    # What is held fixed while the other one varies.
    fixed = {"trigger_size": fixed_poison_rate, "poison_rate": fixed_trigger_size}
    for panel, vector, raster in zip(PANELS.values(), svg, png, strict=True):
        held = fixed[panel.axis]
        write_panel(vector, raster, summary, view, panel.measure, panel.axis, held)
    write_page(*page, summary, view, fixed_poison_rate, fixed_trigger_size)
