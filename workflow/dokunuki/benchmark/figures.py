"""The benchmark at a glance: accuracy against worst ASR, and ASR by attack and defence."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from dokunuki.benchmark.standings import NOT_VALIDATED, decisive_cells
from dokunuki.figures.labelling import place_labels
from dokunuki.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    NOTE_SIZE,
    ORANGE,
    PURPLE,
    house_style,
    save_figure,
    titled,
)
from dokunuki.study.catalogue import RANKED_TIERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure
    from matplotlib.text import Text

    from dokunuki.benchmark.standings import Study

FAMILY_COLOURS = {
    "none": BLACK,
    "representation": BLUE,
    "filter": ORANGE,
    "training": GREEN,
    "certified": PURPLE,
}
TIER_MARKERS = {"defence": "o", "ours": "*", "input-time": "D", "clean-rows": "s", "bound": "^"}
_TIER_LABELS = {
    "defence": "defence",
    "ours": "ours",
    "input-time": "at input time",
    "clean-rows": "with clean rows",
    "bound": "bound (knows the poison)",
}
_PALE = "#888888"
_MARKER, _STAR = 5.0, 8.5
# Inches of a figure, of a panel, and of a cell of the heat map.
_WIDTH, _PARETO_HEIGHT = 8.6, 7.2
_CELL_WIDTH, _CELL_HEIGHT = 0.52, 0.2


def pareto_front(accuracy: np.ndarray, asr: np.ndarray) -> np.ndarray:
    """Which points no other beats, bool (n,).

    A point beats another if it is at least as good in both, and better in one.
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

    Points are means. The front runs over the ranked defences, which are drawn filled. Defences
    without one of the two numbers are not drawn. Returns the labels.
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
    axes.set_ylabel("Worst ASR (%)")
    front = np.flatnonzero(ranked)[pareto_front(x[ranked], y[ranked])]
    front = front[np.argsort(x[front], kind="stable")]
    # From point to point along the axes, so that the line bounds what is beaten.
    axes.plot(
        x[front], y[front], drawstyle="steps-pre", color=_PALE, linewidth=1.0, marker="", zorder=1
    )
    colours = []
    for row in drawn.to_dict("records"):
        refused = row["rank"].startswith(NOT_VALIDATED)
        colours.append(_PALE if refused else FAMILY_COLOURS[row["family"]])
        style = _point_style(row["tier"], colours[-1], not math.isnan(row["place"]))
        axes.plot([row["accuracy_mean"]], [row["worst_asr"]], zorder=3, **style)
    # The limits stay: the labels are placed in them.
    axes.figure.get_figure(root=True).draw_without_rendering()
    return place_labels(axes, np.stack([x, y], axis=1), _names(drawn, study), colours)


def _legend_handles(standings: pd.DataFrame) -> list[Line2D]:
    families = set(standings["family"])
    tiers = [name for name in TIER_MARKERS if name in set(standings["tier"])]
    kinds = [
        *(
            ("no family" if name == "none" else name, "defence", colour, True)
            for name, colour in FAMILY_COLOURS.items()
            if name in families
        ),
        *((_TIER_LABELS[name], name, GREY, name in RANKED_TIERS) for name in tiers),
    ]
    in_order = standings[standings["tier"].isin(RANKED_TIERS)]
    refused = in_order["rank"].str.startswith(NOT_VALIDATED)
    if refused.any():
        kinds.append((NOT_VALIDATED, "defence", _PALE, False))
    if (in_order["place"].isna() & ~refused & in_order["run"]).any():
        kinds.append(("not ranked", "defence", GREY, False))
    handles = [
        Line2D([], [], label=label, **_point_style(tier, colour, filled))
        for label, tier, colour, filled in kinds
    ]
    handles.append(Line2D([], [], color=_PALE, linewidth=1.0, marker="", label="Pareto front"))
    return handles


def _undrawn(standings: pd.DataFrame, study: Study) -> str:
    lacking = standings[["worst_asr", "accuracy_mean"]].isna().any(axis=1)
    return _left_out(standings[lacking], study, "No result, not drawn")


def write_pareto(svg: str | Path, png: str | Path, standings: pd.DataFrame, study: Study) -> None:
    """Write accuracy against worst ASR, by dataset and classifier; see `draw_pareto`."""
    panels = list(_panels(standings, study))
    note = (
        "Worst ASR: the highest mean over all attacks, N and p > 0; the loud control and attacks "
        "that hardly poison are left out. "
        "Only ranked defences, drawn filled, form the front. Lower right is better."
    )
    with house_style():
        figure = Figure(figsize=(_WIDTH, _PARETO_HEIGHT * len(panels)), layout="constrained")
        for part, (title, _, rows) in zip(_parts(figure, [1] * len(panels)), panels, strict=True):
            body = titled(part, "Accuracy against worst attack success rate", title)
            handles = _legend_handles(rows.dropna(subset=["worst_asr", "accuracy_mean"]))
            body.legend(
                handles=handles,
                ncols=math.ceil(len(handles) / 2),
                loc="outside lower center",
                fontsize=7,
                columnspacing=1.2,
                handletextpad=0.5,
                title=textwrap.fill(f"{note} {_undrawn(rows, study)}", int(_WIDTH * 19)),
                title_fontsize=NOTE_SIZE,
                alignment="left",
            ).get_title().set_color(GREY)
            draw_pareto(body.add_subplot(), rows, study)
        save_figure(figure, svg, png, "Accuracy against worst attack success rate")


def _parts(figure: Figure, heights: Sequence[float]) -> list[SubFigure]:
    return list(figure.subfigures(len(heights), height_ratios=heights, squeeze=False).flat)


def heat_values(cells: pd.DataFrame, study: Study) -> pd.DataFrame:
    """The highest mean ASR over N and p > 0, and whether every cell has one.

    Cells of one dataset; rows are classifiers and defences, in the study's order, columns attacks,
    the loud control last. `attrs["incomplete"]` is a bool table of the same shape, and
    `attrs["decisive"]` has the (classifier, attack) pairs that count for a defence's worst case.
    """
    attacked = cells[cells["poison_rate"] > 0]
    counted = cells.loc[decisive_cells(cells, study), ["classifier", "attack"]]
    attacks = sorted(study.attacks, key=lambda name: study.attacks[name].loud)
    groups = attacked.groupby(["classifier", "defence", "attack"], sort=False)["asr_mean"]
    highest, lacking = groups.max().unstack(), groups.apply(lambda values: values.isna().any())
    rows = pd.MultiIndex.from_product([study.classifiers, study.defences])
    values = highest.reindex(index=rows, columns=attacks)
    incomplete = lacking.unstack().reindex(index=values.index, columns=attacks)
    values.attrs["incomplete"] = incomplete.to_numpy(dtype=bool)
    values.attrs["decisive"] = set(counted.itertuples(index=False, name=None))
    return values


def draw_heatmap(axes: Axes, values: pd.DataFrame, rows: pd.DataFrame, study: Study) -> list[Text]:
    """Draw ASR by defence (down, in the order of the standings `rows`) and attack (across).

    Numbers are percent; a star marks a highest ASR where some of the cells have no result; cells
    without any result are hatched. Returns the numbers.
    """
    places = values.index.get_indexer(pd.MultiIndex.from_frame(rows[["classifier", "defence"]]))
    shares = values.to_numpy(dtype=np.float64)[places]
    incomplete = values.attrs["incomplete"][places]
    axes.set_xlim(0, shares.shape[1])
    axes.set_ylim(max(1, shares.shape[0]), 0)
    mesh = axes.pcolormesh(np.ma.masked_invalid(shares), cmap="OrRd", vmin=0, vmax=1)
    # Behind cells without a number.
    axes.patch.set(facecolor="#eeeeee", edgecolor="#bbbbbb", hatch="////", linewidth=0)
    numbers = []
    for row, column in np.ndindex(shares.shape):
        value = shares[row, column]
        if math.isnan(value):
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
                fontsize=NOTE_SIZE,
                color="white" if dark else "black",
            )
        )
    axes.grid(visible=False)
    axes.set_xticks(np.arange(shares.shape[1]) + 0.5, _attack_labels(values, rows, study))
    axes.xaxis.tick_top()
    for label in axes.get_xticklabels():
        label.set(rotation=40, ha="left", va="bottom", rotation_mode="anchor", fontsize=NOTE_SIZE)
    axes.set_yticks(np.arange(shares.shape[0]) + 0.5, _defence_labels(rows, study))
    axes.tick_params(length=0, labelsize=NOTE_SIZE)
    axes.spines[:].set_visible(False)
    # Between the tiers, which the order keeps together.
    tiers = list(rows["tier"])
    for place in range(1, len(tiers)):
        if tiers[place] != tiers[place - 1]:
            axes.axhline(place, color=BLACK, linewidth=0.9)
    return numbers


def _attack_labels(values: pd.DataFrame, rows: pd.DataFrame, study: Study) -> list[str]:
    """The attacks' labels; those that hardly poison the classifier of the rows have a mark."""
    labels = []
    for name in values.columns:
        attack = study.attacks[name]
        counts = {(classifier, name) for classifier in rows["classifier"]}
        if attack.loud:
            loud = "" if "loud" in attack.label.lower() else " (loud)"
            labels.append(f"{attack.label}{loud}")
        elif counts & values.attrs["decisive"]:
            labels.append(attack.label)
        else:
            labels.append(f"{attack.label} ‡")
    return labels


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


def write_heatmap(
    svg: str | Path, png: str | Path, cells: pd.DataFrame, standings: pd.DataFrame, study: Study
) -> None:
    """Write ASR by attack and defence, by dataset and classifier; see `draw_heatmap`."""
    note = (
        "Highest mean ASR over N and p > 0, in percent. Hatched: not run, or every seed diverged. "
        "*: some N or p have no result. †: port not validated, it does not find the loud control. "
        "‡: hardly poisons No Defence, and counts for no rank. "
        "Defences by rank; lines part the tiers."
    )
    panels, notes, heights = [], [], []
    width = 4.0 + _CELL_WIDTH * len(study.attacks)
    for panel in _panels(standings, study):
        run = panel.rows["run"].astype(bool)
        panels.append(panel._replace(rows=panel.rows[run]))
        left_out = _left_out(panel.rows[~run], study, "Not run")
        notes.append(textwrap.fill(f"{note} {left_out}", int(width * 18)))
        heights.append(2.5 + _CELL_HEIGHT * run.sum() + 0.14 * notes[-1].count("\n"))
    with house_style():
        figure = Figure(figsize=(width, sum(heights)), layout="constrained")
        parts = _parts(figure, heights)
        for part, panel, text in zip(parts, panels, notes, strict=True):
            body = titled(part, "Attack success rate by attack and defence", panel.title)
            values = heat_values(cells[cells["dataset"] == panel.dataset], study)
            draw_heatmap(body.add_subplot(), values, panel.rows, study)
            body.supxlabel(text, x=0.01, ha="left", fontsize=NOTE_SIZE, color=GREY)
        save_figure(figure, svg, png, "Attack success rate by attack and defence")
