"""The paper's panels (figures 2-4): attack success rate and accuracy over N and over p."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MultipleLocator, NullLocator, PercentFormatter
from matplotlib.transforms import ScaledTranslation

from dokunuki.errors import DokunukiError
from dokunuki.figures.style import DefenceStyle, house_style, save_figure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.backend_bases import RendererBase
    from matplotlib.container import ErrorbarContainer

Measure = Literal["asr", "accuracy"]
Axis = Literal["trigger_size", "poison_rate"]

_MEASURE_LABELS = {"asr": "Attack success rate", "accuracy": "Accuracy"}
_AXIS_LABELS = {
    "trigger_size": "Trigger size N (features)",
    "poison_rate": "Poison rate p (% of the training rows)",
}
_OTHER_AXIS: dict[str, Axis] = {"trigger_size": "poison_rate", "poison_rate": "trigger_size"}

# Inches. Margins are fixed, so that the plot area is equally large in every panel.
_PANEL_WIDTH, _PLOT_HEIGHT = 4.8, 2.2
_LEFT, _RIGHT, _TOP, _BOTTOM = 0.58, 0.12, 0.5, 0.5
_PAGE_WIDTH, _PAGE_PLOT_HEIGHT, _PAGE_TOP, _PANEL_TITLE = 8.6, 2.3, 0.5, 0.3
_NOTE_LINE = 0.13
_NOTE_SIZE = 6.5
_MOST_NOTES = 4
_LEGEND: dict[str, Any] = {"handlelength": 3.2, "columnspacing": 1.4, "borderpad": 0.2}


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
            "add it to the configuration's sweeps, or ask for no such figure"
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
    _set_share_scale(axes, *((0.0, 1.0) if measure == "asr" else accuracy_limits(summary, view)))
    axes.set_xlabel(_AXIS_LABELS[axis])
    axes.set_ylabel(f"{_MEASURE_LABELS[measure]} (%)")
    return _notes(sweep, view, axis)


def _seeds_text(rows: pd.DataFrame) -> str:
    seeds = int((rows["seeds_ok"] + rows["seeds_failed"]).max())
    return "One seed, no interval." if seeds == 1 else f"Mean and 95 % interval of {seeds} seeds."


def _foot_lines(seeds: str, notes: Iterable[str], width: float) -> list[str]:
    """Lines of the footnote: what is drawn, then the notes, each once, cut after a few."""
    unique = list(dict.fromkeys(notes))
    if len(unique) > _MOST_NOTES:
        unique[_MOST_NOTES - 1 :] = [f"{len(unique) - _MOST_NOTES + 1} more: see the table"]
    text = f"{seeds} {'; '.join(unique)}." if unique else seeds
    return textwrap.wrap(text, int(width * 19))


def _write_fitting(
    figure: Figure, x: float, y: float, text: str, size: float, **style: str
) -> None:
    """Put text at (x, y) inches, smaller than `size` where the figure is too narrow for it."""
    width, height = figure.get_size_inches()
    written = figure.text(x / width, y / height, text, fontsize=size, **style)  # type: ignore[arg-type]
    room = (width - x - 0.05) * figure.dpi
    renderer = _renderer(figure)
    # In steps: hinting rounds the letters' widths, so that they do not follow the size exactly.
    while written.get_window_extent(renderer).width > room and size > 3:
        size *= 0.96
        written.set_fontsize(size)


def _renderer(figure: Figure) -> RendererBase:
    return FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call,no-any-return]


def _legend_columns(styles: Mapping[str, DefenceStyle], width: float) -> tuple[int, float]:
    """Most columns that a legend `width` inches wide can have, and its height in inches."""
    scratch = Figure(figsize=(width, 1))
    axes = scratch.add_subplot()
    for style in styles.values():
        axes.plot([], [], label=style.label, **style.line)
    renderer = _renderer(scratch)
    for columns in range(len(styles), 0, -1):
        legend = scratch.legend(*axes.get_legend_handles_labels(), ncols=columns, **_LEGEND)
        extent = legend.get_window_extent(renderer)
        if extent.width <= scratch.bbox.width or columns == 1:
            return columns, extent.height / scratch.dpi
        legend.remove()
    return 1, 0.0


def _add_foot(figure: Figure, axes: Axes, columns: int, lines: Sequence[str]) -> None:
    """Legend and footnotes along the lower edge."""
    height = figure.get_size_inches()[1]
    notes = len(lines) * _NOTE_LINE
    containers, labels = axes.get_legend_handles_labels()
    figure.legend(
        # The lines without their error bars, which would hide the marker's shape.
        [cast("ErrorbarContainer", container)[0] for container in containers],
        labels,
        ncols=columns,
        loc="lower center",
        bbox_to_anchor=(0.5, (notes + 0.04) / height),
        borderaxespad=0,
        **_LEGEND,
    )
    for index, line in enumerate(reversed(lines)):
        _write_fitting(figure, 0.1, 0.05 + index * _NOTE_LINE, line, _NOTE_SIZE, color="#444444")


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
    with house_style():
        columns, legend = _legend_columns(view.styles, _PANEL_WIDTH - 0.1)
        sweep = _sweep(summary, view, axis, fixed)
        lines = _foot_lines(_seeds_text(sweep), _notes(sweep, view, axis), _PANEL_WIDTH)
        foot = legend + len(lines) * _NOTE_LINE + 0.1
        height = _TOP + _PLOT_HEIGHT + _BOTTOM + foot
        figure = Figure(figsize=(_PANEL_WIDTH, height))
        width = _PANEL_WIDTH - _LEFT - _RIGHT
        axes = figure.add_axes(
            (
                _LEFT / _PANEL_WIDTH,
                (foot + _BOTTOM) / height,
                width / _PANEL_WIDTH,
                _PLOT_HEIGHT / height,
            )
        )
        draw_panel(axes, summary, view, measure, axis, fixed)
        title = panel_title(view, measure, axis, fixed)
        _write_fitting(figure, 0.1, height - 0.2, title, 9.5, fontweight="bold")
        _write_fitting(figure, 0.1, height - 0.38, view.data_label, 8, color="#444444")
        _add_foot(figure, axes, columns, lines)
        save_figure(figure, svg, png, f"{title}. {view.data_label}")


def write_page(
    svg: str | Path,
    png: str | Path,
    summary: pd.DataFrame,
    view: View,
    fixed_rate: float,
    fixed_size: float,
) -> None:
    """Write the four panels of an attack on one page, as the paper's figures 2-4 have them.

    a: ASR over N, b: ASR over p, c: accuracy over N, d: accuracy over p; N varies at p =
    `fixed_rate` percent, p varies at N = `fixed_size`. One legend; both accuracy panels share their
    range.
    """
    panels: tuple[tuple[str, Measure, Axis, float], ...] = (
        ("a", "asr", "trigger_size", fixed_rate),
        ("b", "asr", "poison_rate", fixed_size),
        ("c", "accuracy", "trigger_size", fixed_rate),
        ("d", "accuracy", "poison_rate", fixed_size),
    )
    with house_style():
        columns, legend = _legend_columns(view.styles, _PAGE_WIDTH - 0.2)
        notes = [
            note
            for _, _, axis, fixed in panels
            for note in _notes(_sweep(summary, view, axis, fixed), view, axis)
        ]
        lines = _foot_lines(_seeds_text(view.rows(summary)), notes, _PAGE_WIDTH)
        foot = legend + len(lines) * _NOTE_LINE + 0.1
        row = _PANEL_TITLE + _PAGE_PLOT_HEIGHT + _BOTTOM
        height = _PAGE_TOP + 2 * row + foot
        figure = Figure(figsize=(_PAGE_WIDTH, height))
        half = _PAGE_WIDTH / 2
        for index, (letter, measure, axis, fixed) in enumerate(panels):
            left = (index % 2) * half
            bottom = foot + (1 - index // 2) * row + _BOTTOM
            axes = figure.add_axes(
                (
                    (left + _LEFT) / _PAGE_WIDTH,
                    bottom / height,
                    (half - _LEFT - _RIGHT - 0.1) / _PAGE_WIDTH,
                    _PAGE_PLOT_HEIGHT / height,
                )
            )
            draw_panel(axes, summary, view, measure, axis, fixed)
            axes.set_title(
                f"$\\bf{{{letter}}}$   {_MEASURE_LABELS[measure]}, "
                f"{_point(_OTHER_AXIS[axis], fixed)}",
                loc="left",
                fontsize=9,
            )
        _write_fitting(figure, 0.1, height - 0.22, view.attack_label, 12, fontweight="bold")
        _write_fitting(figure, 0.1, height - 0.41, view.data_label, 8.5, color="#444444")
        _add_foot(figure, axes, columns, lines)
        save_figure(figure, svg, png, f"{view.attack_label}. {view.data_label}")
