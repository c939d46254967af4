"""The benchmark at a glance: accuracy against worst ASR, and ASR by attack and defence."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib import patheffects
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from dokunuki.benchmark.standings import NOT_VALIDATED, RANKED_TIERS
from dokunuki.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    house_style,
    save_figure,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.text import Text
    from matplotlib.transforms import Bbox

    from dokunuki.benchmark.standings import Attack, Study

FAMILY_COLOURS = {
    "none": BLACK,
    "representation": BLUE,
    "filter": ORANGE,
    "training": GREEN,
    "certified": PURPLE,
}
TIER_MARKERS = {"defence": "o", "ours": "*", "reference": "s", "bound": "^"}
_TIER_LABELS = {
    "defence": "defence",
    "ours": "ours",
    "reference": "reference (clean rows)",
    "bound": "bound (knows the poison)",
}
_GREY, _DARK = "#888888", "#444444"

# Inches.
_WIDTH, _PARETO_HEIGHT = 8.6, 5.6
_LEFT, _RIGHT, _TITLE, _AXIS = 0.6, 0.15, 0.55, 0.5
_LEGEND_LINE, _NOTE_LINE = 0.19, 0.14
_CELL_WIDTH, _CELL_HEIGHT = 0.52, 0.2
_LABEL_SIZE, _NOTE_SIZE, _CELL_SIZE = 6.5, 6.5, 6.5
_MARKER, _STAR = 5.0, 8.5
# Pixels of air around labels, and between a label and its point.
_AIR, _GAP = 2.0, 6.0


def pareto_front(accuracy: np.ndarray, asr: np.ndarray) -> np.ndarray:
    """Which points no other beats, bool (n,).

    A point beats another that it equals or betters in both, and betters in one.
    """
    no_worse = (accuracy[:, None] >= accuracy) & (asr[:, None] <= asr)
    better = (accuracy[:, None] > accuracy) | (asr[:, None] < asr)
    return np.asarray(~(no_worse & better).any(axis=0))


class _Panel(NamedTuple):
    """A title, a dataset, and the standings of it that are shown."""

    title: str
    dataset: str
    rows: pd.DataFrame


def _panels(standings: pd.DataFrame, study: Study) -> Iterator[_Panel]:
    """One panel per dataset and classifier; classifiers run with one defence share the last.

    A single point or row says something only beside others.
    """
    for dataset, title in study.datasets.items():
        alone = []
        for classifier, label in study.classifiers.items():
            here = (standings["dataset"] == dataset) & (standings["classifier"] == classifier)
            panel = _Panel(f"{title}, {label}", dataset, standings[here])
            if panel.rows["run"].sum() > 1:
                yield panel
            else:
                alone.append(panel)
        if len(alone) == 1:
            yield alone[0]
        elif alone:
            rows = pd.concat([panel.rows[panel.rows["run"]] for panel in alone])
            yield _Panel(f"{title}, classifiers with one defence each", dataset, rows)


def _names(rows: pd.DataFrame, study: Study) -> list[str]:
    """What each row of the standings is called in a panel that shows these."""
    defences = [study.defences[name].label for name in rows["defence"]]
    if rows["classifier"].nunique() < 2:
        return defences
    classifiers = [study.classifiers[name] for name in rows["classifier"]]
    return [f"{one}, {other}" for one, other in zip(classifiers, defences, strict=True)]


def _left_out(rows: pd.DataFrame, study: Study, text: str) -> str:
    """A note on the defences of some rows; empty where there are none."""
    return f"{text}: {', '.join(_names(rows, study))}." if len(rows) else ""


def _candidates(around: np.ndarray, width: float, height: float) -> np.ndarray:
    """Boxes (x0, y0, x1, y1) in pixels for a label around a point, the nearest places first."""
    beside = np.array([[_GAP, -height / 2], [-_GAP - width, -height / 2]])
    distance, angle = np.meshgrid(
        _GAP + 5.0 * np.arange(1, 60), 2 * np.pi * np.arange(24) / 24, indexing="ij"
    )
    dx, dy = np.cos(angle).ravel(), np.sin(angle).ravel()
    # The box touches the ring with its side towards the point.
    left = distance.ravel() * dx - width * (1 - dx) / 2
    bottom = distance.ravel() * dy - height * (1 - dy) / 2
    corners = around + np.concatenate([beside, np.stack([left, bottom], axis=1)])
    return np.concatenate([corners, corners + np.array([width, height])], axis=1)


def _free(boxes: np.ndarray, taken: np.ndarray, frame: Bbox) -> np.ndarray:
    """Which boxes (n, 4) lie inside the frame and clear of all that is taken (m, 4): bool (n,)."""
    low, high = boxes[:, None, :2] - _AIR, boxes[:, None, 2:] + _AIR
    overlaps = np.all((low < taken[:, 2:]) & (high > taken[:, :2]), axis=2).any(axis=1)
    inside = (boxes[:, :2] > frame.min).all(axis=1) & (boxes[:, 2:] < frame.max).all(axis=1)
    return np.asarray(~overlaps & inside)


def place_labels(
    axes: Axes, points: Sequence[tuple[float, float]], labels: Sequence[str], colours: Sequence[str]
) -> list[Text]:
    """Write a label beside every point, clear of all points, of each other and of the frame.

    A label that had to move away is joined to its point by a thin line. Points in the densest
    places go first. Limits and size of the axes must be final.
    """
    renderer = FigureCanvasAgg(axes.figure).get_renderer()  # type: ignore[no-untyped-call, arg-type]
    pixels = axes.transData.transform(np.array(points).reshape(-1, 2))
    marker = 0.5 * _STAR * axes.figure.dpi / 72
    taken = np.concatenate([pixels - marker, pixels + marker], axis=1)
    frame = axes.get_window_extent(renderer)
    distance = np.hypot(*(pixels[:, None] - pixels).transpose(2, 0, 1))
    crowd = (distance < 60).sum(axis=1) if len(pixels) else np.empty(0)
    texts = {}
    for place in np.argsort(-crowd, kind="stable"):
        text = axes.text(0, 0, labels[place], fontsize=_LABEL_SIZE, color=colours[place])
        text.set_path_effects([patheffects.withStroke(linewidth=1.6, foreground="white")])
        extent = text.get_window_extent(renderer)
        boxes = _candidates(pixels[place], extent.width, extent.height)
        free = np.flatnonzero(_free(boxes, taken, frame))
        if not free.size:
            # No room left: the tables name it.
            text.remove()
            continue
        box = boxes[free[0]]
        taken = np.concatenate([taken, [box]])
        # The extent, which the letters' descent belongs to, starts below what a baseline would.
        text.set_verticalalignment("bottom")
        left, bottom = axes.transData.inverted().transform(box[:2])
        text.set_position((float(left), float(bottom)))
        nearest = np.clip(pixels[place], box[:2], box[2:])
        if np.hypot(*(nearest - pixels[place])) > 2 * _GAP:
            ends = axes.transData.inverted().transform([pixels[place], nearest])
            axes.plot(ends[:, 0], ends[:, 1], color=_GREY, linewidth=0.5, marker="", zorder=1)
        texts[place] = text
    return [texts[place] for place in sorted(texts)]


def _point_style(tier: str, colour: str, filled: bool) -> dict[str, Any]:
    return {
        "marker": TIER_MARKERS[tier],
        "markersize": _STAR if tier == "ours" else _MARKER,
        "color": colour,
        "markeredgecolor": colour,
        "markerfacecolor": colour if filled else "white",
        "markeredgewidth": 1.0,
        "linestyle": "",
    }


def draw_pareto(axes: Axes, standings: pd.DataFrame, study: Study) -> list[Text]:
    """Draw accuracy without attack against worst ASR, one point per defence, and label them.

    Points are the means; the front runs over what has a rank, the filled ones. Defences without
    one of the two numbers are not drawn. Returns the labels.
    """
    drawn = standings.dropna(subset=["worst_asr", "accuracy_mean"])
    x, y = drawn["accuracy_mean"].to_numpy(), drawn["worst_asr"].to_numpy()
    ranked = drawn["place"].notna().to_numpy()
    low, high = (x.min(), x.max()) if len(x) else (0.0, 1.0)
    margin = max(0.05 * (high - low), 0.005)
    # Room on the right, where good defences crowd, for their labels.
    axes.set_xlim(low - 2 * margin, high + 3 * margin)
    top = max(0.1, y.max()) if len(y) else 1.0
    axes.set_ylim(-0.06 * top, 1.08 * top)
    axes.grid(visible=True, axis="both")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
        axis.set_major_formatter(lambda share, _: f"{100 * share:.4g}")
    axes.set_xlabel("Accuracy without attack (%)")
    axes.set_ylabel("Worst ASR over all attacks, N and p (%)")
    front = np.flatnonzero(ranked)[pareto_front(x[ranked], y[ranked])]
    front = front[np.argsort(x[front], kind="stable")]
    # From point to point along the axes, so that the line bounds what is beaten.
    axes.plot(
        x[front], y[front], drawstyle="steps-pre", color=_GREY, linewidth=1.0, marker="", zorder=1
    )
    colours = []
    for row in drawn.to_dict("records"):
        refused = row["rank"].startswith(NOT_VALIDATED)
        colours.append(_GREY if refused else FAMILY_COLOURS[row["family"]])
        style = _point_style(row["tier"], colours[-1], not math.isnan(row["place"]))
        axes.plot([row["accuracy_mean"]], [row["worst_asr"]], zorder=3, **style)
    points = list(zip(x, y, strict=True))
    return place_labels(axes, points, _names(drawn, study), colours)


def _legend_handles(standings: pd.DataFrame) -> list[Line2D]:
    families = set(standings["family"])
    tiers = [name for name in TIER_MARKERS if name in set(standings["tier"])]
    kinds = [
        *(
            ("no family" if name == "none" else name, "defence", colour, True)
            for name, colour in FAMILY_COLOURS.items()
            if name in families
        ),
        *((_TIER_LABELS[name], name, _DARK, name in RANKED_TIERS) for name in tiers),
    ]
    in_order = standings[standings["tier"].isin(RANKED_TIERS)]
    refused = in_order["rank"].str.startswith(NOT_VALIDATED)
    if refused.any():
        kinds.append((NOT_VALIDATED, "defence", _GREY, False))
    if (in_order["place"].isna() & ~refused & in_order["run"]).any():
        kinds.append(("not ranked", "defence", _DARK, False))
    handles = [
        Line2D([], [], label=label, **_point_style(tier, colour, filled))
        for label, tier, colour, filled in kinds
    ]
    handles.append(Line2D([], [], color=_GREY, linewidth=1.0, marker="", label="Pareto front"))
    return handles


def _undrawn(standings: pd.DataFrame, study: Study) -> str:
    lacking = standings[["worst_asr", "accuracy_mean"]].isna().any(axis=1)
    return _left_out(standings[lacking], study, "Without result, not drawn")


def write_pareto(svg: str | Path, png: str | Path, standings: pd.DataFrame, study: Study) -> None:
    """Write accuracy against worst ASR, by dataset and classifier; see `draw_pareto`."""
    panels = list(_panels(standings, study))
    note = (
        "Worst ASR: the highest mean over all attacks, N and p > 0; the loud control is left out. "
        "The front runs over the ranked defences, drawn filled. Below right is better."
    )
    with house_style():
        notes = [
            textwrap.wrap(f"{note} {_undrawn(panel.rows, study)}", int(_WIDTH * 19))
            for panel in panels
        ]
        legend = 2 * _LEGEND_LINE
        rest = [_TITLE + _AXIS + legend + len(lines) * _NOTE_LINE + 0.15 for lines in notes]
        height = sum(rest) + len(panels) * _PARETO_HEIGHT
        figure = Figure(figsize=(_WIDTH, height))
        top = height
        for (title, _, rows), lines, extra in zip(panels, notes, rest, strict=True):
            bottom = top - _TITLE - _PARETO_HEIGHT
            axes = figure.add_axes(
                (
                    _LEFT / _WIDTH,
                    bottom / height,
                    (_WIDTH - _LEFT - _RIGHT) / _WIDTH,
                    _PARETO_HEIGHT / height,
                )
            )
            draw_pareto(axes, rows, study)
            _title(figure, "Accuracy against worst attack success rate", title, top)
            under = top - _PARETO_HEIGHT - extra
            handles = _legend_handles(rows.dropna(subset=["worst_asr", "accuracy_mean"]))
            legend_box = figure.legend(
                handles=handles,
                ncols=math.ceil(len(handles) / 2),
                loc="lower center",
                bbox_to_anchor=(0.5, (under + len(lines) * _NOTE_LINE + 0.08) / height),
                borderaxespad=0,
                fontsize=7,
                borderpad=0.1,
                columnspacing=1.2,
                handletextpad=0.5,
            )
            legend_box.set_in_layout(False)
            _foot(figure, lines, under)
            top = under
        save_figure(figure, svg, png, "Accuracy against worst attack success rate")


def _title(figure: Figure, title: str, data: str, top: float) -> None:
    height = figure.get_size_inches()[1]
    figure.text(
        0.1 / figure.get_size_inches()[0], (top - 0.22) / height, title, fontsize=9.5,
        fontweight="bold",
    )  # fmt: skip
    figure.text(
        0.1 / figure.get_size_inches()[0], (top - 0.4) / height, data, fontsize=8, color="#444444"
    )


def _foot(figure: Figure, lines: Sequence[str], under: float) -> None:
    width, height = figure.get_size_inches()
    for index, line in enumerate(reversed(lines)):
        y = (under + 0.05 + index * _NOTE_LINE) / height
        figure.text(0.1 / width, y, line, fontsize=_NOTE_SIZE, color="#444444")


def heat_values(cells: pd.DataFrame, study: Study) -> pd.DataFrame:
    """The highest mean ASR over N and p > 0, and whether every cell has one.

    Cells of one dataset; rows are classifiers and defences, in the study's order, columns attacks,
    the loud control last. `attrs["incomplete"]` is a bool table of the same shape.
    """
    attacked = cells[cells["poison_rate"] > 0]
    attacks = sorted(study.attacks, key=lambda name: study.attacks[name].loud)
    groups = attacked.groupby(["classifier", "defence", "attack"], sort=False)["asr_mean"]
    highest, lacking = groups.max().unstack(), groups.apply(lambda values: values.isna().any())
    rows = pd.MultiIndex.from_product([study.classifiers, study.defences])
    values = highest.reindex(index=rows, columns=attacks)
    incomplete = lacking.unstack().reindex(index=values.index, columns=attacks)
    values.attrs["incomplete"] = incomplete.to_numpy(dtype=bool)
    return values


def draw_heatmap(axes: Axes, values: pd.DataFrame, rows: pd.DataFrame, study: Study) -> list[Text]:
    """Draw ASR by defence (down, in the order of the standings `rows`) and attack (across).

    Numbers are percent; a star marks the highest of some cells of which others have no result;
    cells without any result are hatched. Returns the numbers.
    """
    places = values.index.get_indexer(pd.MultiIndex.from_frame(rows[["classifier", "defence"]]))
    shares = values.to_numpy(dtype=np.float64)[places]
    incomplete = values.attrs["incomplete"][places]
    axes.set_xlim(0, shares.shape[1])
    axes.set_ylim(max(1, shares.shape[0]), 0)
    mesh = axes.pcolormesh(np.ma.masked_invalid(shares), cmap="OrRd", vmin=0, vmax=1)
    numbers = []
    for row, column in np.ndindex(shares.shape):
        value = shares[row, column]
        if math.isnan(value):
            axes.add_patch(
                Rectangle(
                    (column, row), 1, 1, facecolor="#eeeeee", edgecolor="#bbbbbb", hatch="////",
                    linewidth=0,
                )
            )  # fmt: skip
            continue
        red, green, blue, _ = mesh.cmap(mesh.norm(value))
        dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.55
        numbers.append(
            axes.text(
                column + 0.5,
                row + 0.5,
                f"{100 * value:z.0f}{'*' if incomplete[row, column] else ''}",
                ha="center",
                va="center_baseline",
                fontsize=_CELL_SIZE,
                color="white" if dark else "black",
            )
        )
    axes.grid(visible=False)
    axes.set_xticks(np.arange(shares.shape[1]) + 0.5, _attack_labels(values, study))
    axes.xaxis.tick_top()
    for label in axes.get_xticklabels():
        label.set(rotation=40, ha="left", va="bottom", rotation_mode="anchor", fontsize=_CELL_SIZE)
    axes.set_yticks(np.arange(shares.shape[0]) + 0.5, _defence_labels(rows, study))
    axes.tick_params(length=0, labelsize=_CELL_SIZE)
    axes.spines[:].set_visible(False)
    # Between the tiers, which the order keeps together.
    tiers = list(rows["tier"])
    for place in range(1, len(tiers)):
        if tiers[place] != tiers[place - 1]:
            axes.axhline(place, color=BLACK, linewidth=0.9)
    return numbers


def _attack_labels(values: pd.DataFrame, study: Study) -> list[str]:
    return [_attack_label(study.attacks[name]) for name in values.columns]


def _attack_label(attack: Attack) -> str:
    said = not attack.loud or "loud" in attack.label.lower()
    return attack.label if said else f"{attack.label} (loud)"


def _defence_labels(rows: pd.DataFrame, study: Study) -> list[str]:
    labels = []
    for row, label in zip(rows.to_dict("records"), _names(rows, study), strict=True):
        if row["rank"].startswith(NOT_VALIDATED):
            labels.append(f"{label} †")
        elif row["tier"] != "defence":
            labels.append(f"{label} ({row['tier']})")
        else:
            labels.append(label)
    return labels


def _text_width(labels: Sequence[str], size: float) -> float:
    """Inches that the longest label takes."""
    scratch = Figure(figsize=(1, 1))
    renderer = FigureCanvasAgg(scratch).get_renderer()  # type: ignore[no-untyped-call]
    widths = [
        scratch.text(0, 0, label, fontsize=size).get_window_extent(renderer).width
        for label in labels
    ]
    return max(widths, default=0.0) / scratch.dpi


def write_heatmap(
    svg: str | Path, png: str | Path, cells: pd.DataFrame, standings: pd.DataFrame, study: Study
) -> None:
    """Write ASR by attack and defence, by dataset and classifier; see `draw_heatmap`."""
    panels = []
    absent = []
    for panel in _panels(standings, study):
        run = panel.rows["run"].astype(bool)
        panels.append(panel._replace(rows=panel.rows[run]))
        absent.append(_left_out(panel.rows[~run], study, "Not run"))
    note = (
        "Highest mean ASR over N and p > 0, in percent. Hatched: not run, or every seed diverged. "
        "*: some N or p have no result. †: port not validated, it does not find the loud control. "
        "Defences by rank; lines part the tiers."
    )
    with house_style():
        names = [label for panel in panels for label in _defence_labels(panel.rows, study)]
        left = 0.2 + _text_width(names, _CELL_SIZE)
        slant = _text_width([_attack_label(one) for one in study.attacks.values()], _CELL_SIZE)
        above = 0.15 + slant * math.sin(math.radians(40)) + 0.1
        beside = 0.1 + slant * math.cos(math.radians(40))
        width = max(left + _CELL_WIDTH * len(study.attacks) + beside, 5.0)
        notes = [textwrap.wrap(f"{note} {more}", int(width * 18)) for more in absent]
        sizes = [_CELL_HEIGHT * len(panel.rows) for panel in panels]
        around = [_TITLE + above + 0.2 + len(lines) * _NOTE_LINE for lines in notes]
        height = sum(sizes) + sum(around)
        figure = Figure(figsize=(width, height))
        top = height
        for panel, size, extra, lines in zip(panels, sizes, around, notes, strict=True):
            axes = figure.add_axes(
                (
                    left / width,
                    (top - _TITLE - above - size) / height,
                    _CELL_WIDTH * len(study.attacks) / width,
                    size / height,
                )
            )
            values = heat_values(cells[cells["dataset"] == panel.dataset], study)
            draw_heatmap(axes, values, panel.rows, study)
            _title(figure, "Attack success rate by attack and defence", panel.title, top)
            top -= size + extra
            _foot(figure, lines, top)
        save_figure(figure, svg, png, "Attack success rate by attack and defence")
