"""Labels beside points, clear of everything else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib import patheffects

from dokunuki.figures.style import NOTE_SIZE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.text import Text

_PALE = "#888888"
# Points across the largest marker.
_STAR = 8.5
# Pixels of air around labels, and between a label and its point.
_AIR, _GAP = 2.0, 6.0


def _places(around: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Boxes (n, 4) of x0, y0, x1, y1 in pixels for a label around a point, the nearest first."""
    distance, angle = np.meshgrid(
        _GAP + 5.0 * np.arange(60), 2 * np.pi * np.arange(24) / 24, indexing="ij"
    )
    towards = np.stack([np.cos(angle), np.sin(angle)], axis=-1).reshape(-1, 2)
    # The box touches the ring with its side towards the point.
    corners = around + distance.reshape(-1, 1) * towards - size * (1 - towards) / 2
    return np.concatenate([corners, corners + size], axis=1)


def place_labels(
    axes: Axes, points: np.ndarray, labels: Sequence[str], colours: Sequence[str]
) -> list[Text]:
    """Write a label beside every point (n, 2), clear of points, of each other and of the frame.

    A label that had to move away is joined to its point by a thin line; one that finds no room is
    left out, since the tables name it. Limits and size of the axes must be final.

    By hand: adjustText leaves crowded labels on top of each other and takes 10 s, textalloc knows
    no subfigures.
    """
    pixels = axes.transData.transform(points)
    marker = 0.5 * _STAR * axes.figure.dpi / 72
    taken = np.concatenate([pixels - marker, pixels + marker], axis=1)
    frame = axes.get_window_extent()
    crowd = (np.linalg.norm(pixels[:, None] - pixels, axis=2) < 60).sum(axis=1)
    texts = {}
    for place in np.argsort(-crowd, kind="stable"):
        text = axes.text(
            0, 0, labels[place], fontsize=NOTE_SIZE, color=colours[place], va="bottom",
            path_effects=[patheffects.withStroke(linewidth=1.6, foreground="white")],
        )  # fmt: skip
        extent = text.get_window_extent()
        boxes = _places(pixels[place], np.array([extent.width, extent.height]))
        low, high = boxes[:, None, :2] - _AIR, boxes[:, None, 2:] + _AIR
        overlaps = np.all((low < taken[:, 2:]) & (high > taken[:, :2]), axis=2).any(axis=1)
        inside = (boxes[:, :2] > frame.min).all(axis=1) & (boxes[:, 2:] < frame.max).all(axis=1)
        free = boxes[inside & ~overlaps]
        if not len(free):
            text.remove()
            continue
        taken = np.concatenate([taken, free[:1]])
        nearest = np.clip(pixels[place], free[0, :2], free[0, 2:])
        corner, *ends = axes.transData.inverted().transform([free[0, :2], pixels[place], nearest])
        text.set_position(tuple(corner))
        if np.linalg.norm(nearest - pixels[place]) > 2 * _GAP:
            axes.plot(*np.transpose(ends), color=_PALE, linewidth=0.5, marker="", zorder=1)
        texts[place] = text
    return [texts[place] for place in sorted(texts)]
