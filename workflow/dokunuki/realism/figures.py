"""Figures that set a simulated corpus beside real rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from dokunuki.figures.style import BLUE, GREEN, ORANGE, VERMILLION

if TYPE_CHECKING:
    import pandas as pd

    from dokunuki.corpus.layout import FeatureLayout
    from dokunuki.realism.measures import LabelledRows

_CLASSES = ((0, "goodware"), (1, "malware"))
_COLOURS = {
    ("simulated", "goodware"): GREEN,
    ("real", "goodware"): BLUE,
    ("simulated", "malware"): ORANGE,
    ("real", "malware"): VERMILLION,
}
_ACROSS = 7


def _signed_log(values: np.ndarray) -> np.ndarray:
    """log10(1 + x): most columns are counts that span many orders of magnitude."""
    return np.log10(1.0 + np.maximum(values.astype(np.float64), 0.0))


def plot_marginals(simulated: LabelledRows, real: LabelledRows, layout: FeatureLayout) -> Figure:
    """Cumulative distributions of the 35 non-hashed columns, both worlds and classes."""
    columns = layout.non_hashed
    down = -(-len(columns) // _ACROSS)
    figure = Figure(figsize=(2.2 * _ACROSS, 1.8 * down), layout="constrained")
    axes = figure.subplots(down, _ACROSS, squeeze=False).ravel()
    for axis, column in zip(axes, columns, strict=False):
        for label, name in _CLASSES:
            for world, rows in (("simulated", simulated), ("real", real)):
                values = np.sort(_signed_log(rows.X[rows.y == label, column]))
                axis.step(
                    values,
                    np.arange(1, len(values) + 1) / len(values),
                    where="post",
                    color=_COLOURS[world, name],
                    linestyle="-" if world == "real" else "--",
                    linewidth=1.0,
                    label=f"{world} {name}",
                )
        axis.set_title(layout.names[column], fontsize=7)
        axis.tick_params(labelsize=6)
    for axis in axes[len(columns) :]:
        axis.set_axis_off()
    axes[0].legend(fontsize=5, loc="lower right")
    figure.supxlabel("log10(1 + value)", fontsize=8)
    figure.supylabel("cumulative share of rows", fontsize=8)
    return figure


def plot_byte_means(simulated: LabelledRows, real: LabelledRows, layout: FeatureLayout) -> Figure:
    """Mean byte histogram and mean byte-entropy histogram of each class in both worlds."""
    figure = Figure(figsize=(11, 7), layout="constrained")
    grid = figure.add_gridspec(3, 4)
    for row, (label, name) in enumerate(_CLASSES):
        axis = figure.add_subplot(grid[row, :])
        for world, rows in (("simulated", simulated), ("real", real)):
            mean = rows.X[rows.y == label][:, layout.groups["histogram"]].mean(axis=0)
            axis.semilogy(mean, color=_COLOURS[world, name], linewidth=1.0, label=world)
        axis.set_title(f"mean byte histogram, {name}", fontsize=8)
        axis.set_xlabel("byte", fontsize=7)
        axis.legend(fontsize=7)
    panel = 0
    for label, name in _CLASSES:
        for world, rows in (("simulated", simulated), ("real", real)):
            mean = rows.X[rows.y == label][:, layout.groups["byteentropy"]].mean(axis=0)
            axis = figure.add_subplot(grid[2, panel])
            axis.imshow(
                np.sqrt(mean.reshape(16, 16)), origin="lower", aspect="auto", cmap="viridis"
            )
            axis.set_title(f"byte-entropy, {world} {name}", fontsize=7)
            axis.set_xlabel("upper half of the byte", fontsize=6)
            axis.set_ylabel("entropy bin", fontsize=6)
            axis.tick_params(labelsize=5)
            panel += 1
    return figure


def plot_embedding(points: pd.DataFrame) -> Figure:
    """The points of `dokunuki.realism.measures.embedding`, one panel per world on equal axes."""
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.subplots(1, 2, sharex=True, sharey=True)
    for axis, world in zip(axes, ("simulated", "real"), strict=True):
        for _, name in _CLASSES:
            shown = points[(points["world"] == world) & (points["class"] == name)]
            axis.scatter(
                shown["x"], shown["y"], s=5, alpha=0.5, color=_COLOURS[world, name], label=name
            )
        axis.set_title(f"{world} rows", fontsize=9)
        axis.set_xlabel("first component of ranks", fontsize=8)
        axis.legend(fontsize=7)
    axes[0].set_ylabel("second component of ranks", fontsize=8)
    return figure
