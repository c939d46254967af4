"""How figures look: one colour, marker and line style per defence; no time stamps in the files."""

from __future__ import annotations

import textwrap
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib as mpl

from dokunuki.storage.files import atomic_write

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from matplotlib.figure import Figure, SubFigure

PNG_DPI = 150

# Okabe and Ito's palette, safe for colour-blind readers, without its yellow: too pale on white.
BLACK, ORANGE, SKY_BLUE, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
GREY = "#444444"
NOTE_SIZE = 6.5
"""Points, of footnotes."""
BLUE, VERMILLION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"


@dataclass(frozen=True)
class DefenceStyle:
    """Label, colour, marker and dashes of a defence; hollow markers help where print is grey."""

    label: str
    colour: str
    marker: str
    dashes: tuple[float, ...]
    hollow: bool

    @property
    def line(self) -> dict[str, Any]:
        """Keyword arguments of a matplotlib line."""
        return {
            "color": self.colour,
            "marker": self.marker,
            "linestyle": (0, self.dashes) if self.dashes else "-",
            "markerfacecolor": "white" if self.hollow else self.colour,
            "markeredgecolor": self.colour,
        }


# The paper's four: the same in every figure, whatever else the configuration holds.
_FIXED = {
    "none": (BLACK, "o", (), False),
    "deletion": (ORANGE, "s", (5.0, 2.0), True),
    "ae-enc": (PURPLE, "^", (6.0, 1.5, 1.0, 1.5), True),
    "ae": (BLUE, "D", (2.0, 1.2), False),
}
# 7, 8, 5 and 2 steps: neighbours differ in all, and 56 defences differ in colour or marker.
_COLOURS = (VERMILLION, GREEN, SKY_BLUE, PURPLE, BLUE, ORANGE, BLACK)
_MARKERS = ("v", "P", "X", "<", "p", "h", ">", "*")
_DASHES = ((4.0, 1.5), (1.0, 1.0), (7.0, 2.0, 2.0, 2.0), (), (3.0, 1.0, 1.0, 1.0, 1.0, 1.0))


def defence_styles(labels: Mapping[str, str]) -> dict[str, DefenceStyle]:
    """A style for each defence of `labels` (name to label, in the order of the configuration).

    The paper's four have a fixed style; the others get theirs by their order among the others.
    """
    styles = {}
    others = 0
    for name, label in labels.items():
        if name in _FIXED:
            styles[name] = DefenceStyle(label, *_FIXED[name])
            continue
        styles[name] = DefenceStyle(
            label,
            _COLOURS[others % len(_COLOURS)],
            _MARKERS[others % len(_MARKERS)],
            _DASHES[others % len(_DASHES)],
            others % 2 == 0,
        )
        others += 1
    return styles


def titled(
    figure: Figure | SubFigure, title: str, subtitle: str, *, size: float = 9.5
) -> SubFigure:
    """Write title and subtitle over a figure of constrained layout; returns the room below them."""
    inches = figure.bbox.width / figure.dpi
    heading = textwrap.fill(title, int(90 * inches / size))
    figure.suptitle(heading, x=0.01, ha="left", fontsize=size, fontweight="bold")
    body: SubFigure = figure.subfigures(squeeze=False).flat[0]
    below = textwrap.fill(subtitle, int(100 * inches / 8))
    body.suptitle(below, x=0.01, ha="left", fontsize=8, color=GREY)
    return body


@contextmanager
def house_style() -> Iterator[None]:
    """Matplotlib's defaults and ours; the reader's matplotlibrc changes no figure."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(
            {
                "figure.dpi": PNG_DPI,  # text is measured as the PNG draws it
                "figure.constrained_layout.h_pad": 0.06,
                "figure.constrained_layout.w_pad": 0.08,
                "font.family": "DejaVu Sans",  # ships with matplotlib: the same on every machine
                "font.size": 8,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "axes.grid": True,
                "axes.grid.axis": "y",
                "axes.axisbelow": True,
                "axes.linewidth": 0.7,
                "axes.labelsize": 8.5,
                "grid.color": "#dddddd",
                "grid.linewidth": 0.6,
                "xtick.labelsize": 8,
                "ytick.labelsize": 8,
                "legend.fontsize": 8,
                "legend.frameon": False,
                "lines.linewidth": 1.5,
                "lines.markersize": 5,
                "lines.markeredgewidth": 1.2,
                "svg.fonttype": "path",  # looks the same whatever fonts the viewer has
                "svg.hashsalt": "dokunuki",
            }
        )
        yield


def save_figure(figure: Figure, svg: str | Path, png: str | Path, title: str) -> None:
    """Write the figure twice; the same figure gives the same bytes. Call within `house_style`."""
    with atomic_write(svg) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Title": title, "Date": None})
    with atomic_write(png) as temporary:
        figure.savefig(temporary, format="png", dpi=PNG_DPI, metadata={"Title": title})
