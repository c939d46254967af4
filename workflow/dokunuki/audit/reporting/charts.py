"""The report's figures, as SVG: rows in two dimensions, pass rates, the power of the canaries.

Colours are Okabe and Ito's, and the marker's shape says the same as the colour.
"""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from sklearn.decomposition import PCA

from dokunuki.audit.feed_checks import GOODWARE, MALWARE
from dokunuki.audit.reporting.evidence import drawn
from dokunuki.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY_BLUE,
    VERMILLION,
    house_style,
)
from dokunuki.parts.standardising import Standardiser

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from matplotlib.axes import Axes

    from dokunuki.audit.reporting.facts import Facts
    from dokunuki.audit.results import AuditResult, Finding

# Inches; narrow enough for a telephone to show it in its own size.
_WIDTH = 5.6
# Rows of the map: others, and of the triggers.
OTHERS, HOLDERS = 1500, 600
# Standardised values beyond this are drawn in, or single rows would have the map to themselves.
_FAR = 5.0
# Triggers with a marker of their own; all further ones share the last.
_TRIGGERS = ((VERMILLION, "^"), (PURPLE, "s"), (GREEN, "P"), (BLACK, "*"))
_VOTES = 2


def draw_map(result: AuditResult, facts: Facts) -> bytes | None:
    """Rows by their two principal components: goodware, malware, suspects.

    A sample of the rows, standardised over the sample. None where there is no trigger and no row
    that several judges suspect, or where the rows do not differ.
    """
    seed = int(result.settings.get("seed", 0))
    trigger = np.zeros(len(facts.y), dtype=np.int64)
    for index in reversed(range(len(result.triggers))):
        trigger[result.triggers[index].rows] = min(index, len(_TRIGGERS) - 1) + 1
    votes = np.zeros(len(facts.y), dtype=np.int64)
    if result.suspects is not None and len(result.suspects.evidence):
        votes = result.suspects.votes
    marked = (trigger > 0) | (votes >= _VOTES)
    if not marked.any():
        return None
    rows = np.union1d(
        drawn(np.flatnonzero(marked), HOLDERS, seed, "map", "suspects"),
        drawn(np.flatnonzero(~marked), OTHERS, seed, "map", "others"),
    )
    X = np.array(facts.X[rows], dtype=np.float32)
    X = X[:, X.min(axis=0) < X.max(axis=0)]
    if min(X.shape) < 2:
        return None
    Z = np.clip(Standardiser().fit(X).transform(X), -_FAR, _FAR)
    components = PCA(2, svd_solver="randomized", random_state=0).fit(Z)
    # Rounded, since the last digits are the number of threads'.
    places = np.round(components.transform(Z), 2)
    with _style():
        figure = Figure(figsize=(_WIDTH, 4.6), layout="constrained")
        axes = figure.subplots()
        _draw_rows(axes, places, facts.y[rows], trigger[rows], votes[rows], result.triggers)
        first, second = components.explained_variance_ratio_
        axes.set_xlabel(f"first principal component ({100 * first:.0f} % of the variance)")
        axes.set_ylabel(f"second ({100 * second:.0f} %)")
        axes.grid(visible=False)
        figure.legend(loc="outside upper left", ncols=2)
        return _svg(figure, "Rows in two dimensions")


def _draw_rows(
    axes: Axes,
    places: np.ndarray,
    y: np.ndarray,
    trigger: np.ndarray,
    votes: np.ndarray,
    findings: Sequence[Finding],
) -> None:
    others = trigger == 0
    suspected = others & (votes >= _VOTES)
    looks = [
        (others & ~suspected & (y == GOODWARE), "goodware", SKY_BLUE, "o", 9, "none"),
        (others & ~suspected & (y == MALWARE), "malware", "#8c8c8c", "x", 11, None),
        (suspected, f"suspected by {_VOTES} judges or more", ORANGE, "D", 20, "none"),
    ]
    for index, (colour, marker) in enumerate(_TRIGGERS[: len(findings)]):
        last = index == len(_TRIGGERS) - 1 and len(findings) > len(_TRIGGERS)
        label = f"{'triggers' if last else 'trigger'} {index + 1}{' and on' if last else ''}"
        looks.append((trigger == index + 1, f"rows of {label}", colour, marker, 30, "white"))
    for chosen, label, colour, marker, size, edge in looks:
        if not chosen.any():
            continue
        x, y_ = places[chosen].T
        if marker == "x":
            axes.scatter(x, y_, s=size, marker=marker, c=colour, linewidths=0.7, label=label)
        elif edge == "none":
            axes.scatter(
                x, y_, s=size, marker=marker, facecolors="none", edgecolors=colour,
                linewidths=0.8, label=label,
            )  # fmt: skip
        else:
            axes.scatter(
                x, y_, s=size, marker=marker, c=colour, edgecolors=edge, linewidths=0.4,
                label=label, zorder=3,
            )  # fmt: skip


def draw_pass_rates(result: AuditResult, facts: Facts) -> bytes | None:
    """How much malware passes with each trigger, before and after; None where there is none."""
    findings = result.triggers
    if not findings:
        return None
    with _style():
        figure = Figure(figsize=(_WIDTH, 1.25 + 0.42 * len(findings)), layout="constrained")
        axes = figure.subplots()
        banded = False
        for index, finding in enumerate(findings):
            chance = finding.null_range
            if chance is not None:
                low, high = (100 * min(1, max(0, finding.pass_without + end)) for end in chance)
                label = "" if banded else "where chance would put it (95 % of draws)"
                corner, width = (low, index - 0.28), max(high - low, 0.6)
                axes.add_patch(
                    Rectangle(corner, width, 0.56, color="#cccccc", zorder=0, label=label)
                )
                banded = True
            ends = [100 * finding.pass_without, 100 * finding.pass_as_is]
            axes.plot(ends, [index, index], color=GREY, linewidth=1.2, zorder=1)
        lines = np.arange(len(findings))
        marks = [
            (
                "detector as it is",
                [one.pass_as_is for one in findings],
                VERMILLION,
                "o",
                VERMILLION,
            ),
            ("without the suspects", [one.pass_without for one in findings], BLUE, "s", "white"),
            ("no trigger", [one.pass_unstamped for one in findings], BLACK, "|", BLACK),
        ]
        if facts.purified is not None:
            after = [rates[1] for rates in facts.purified.pass_rates]
            marks.append(("purified detector", after, GREEN, "D", "white"))
        for label, shares, colour, marker, face in marks:
            axes.plot(
                100 * np.array(shares, dtype=float), lines, marker, color=colour, label=label,
                markerfacecolor=face, markersize=9 if marker == "|" else 7, zorder=3,
            )  # fmt: skip
        axes.set_yticks(lines, [f"trigger {index + 1}" for index in lines])
        axes.set_ylim(len(findings) - 0.45, -0.55)
        axes.set_xlim(-2, 102)
        axes.set_xlabel("malware that passes as goodware (%)")
        axes.grid(visible=True, axis="x")
        axes.grid(visible=False, axis="y")
        figure.legend(loc="outside upper left", ncols=2)
        return _svg(figure, "Pass rates")


_OUTCOMES = (
    ("proved", GREEN, ""),
    ("suspicious", SKY_BLUE, "//"),
    ("missed", VERMILLION, "xx"),
)


def draw_power(counts: Mapping[str, Mapping[str, int]]) -> bytes | None:
    """Canaries by attack: how many were proved, suspected, missed; None where there are none."""
    if not counts:
        return None
    with _style():
        figure = Figure(figsize=(_WIDTH, 1.1 + 0.34 * len(counts)), layout="constrained")
        axes = figure.subplots()
        lines = np.arange(len(counts))
        start = np.zeros(len(counts))
        for outcome, colour, hatch in _OUTCOMES:
            width = np.array([one.get(outcome, 0) for one in counts.values()], dtype=float)
            axes.barh(
                lines, width, left=start, height=0.62, color=colour, hatch=hatch,
                edgecolor="white", label=outcome,
            )  # fmt: skip
            start += width
        # Names are the user's: a dollar sign is no formula.
        axes.set_yticks(lines, [name.replace("$", r"\$") for name in counts])
        axes.invert_yaxis()
        axes.set_xlabel("canaries")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(visible=False, axis="y")
        figure.legend(loc="outside upper left", ncols=3)
        return _svg(figure, "Power of the audit")


@contextmanager
def _style() -> Iterator[None]:
    """The house's, with text that is readable on a telephone."""
    with house_style():
        mpl.rcParams.update(
            {
                "font.size": 9.5,
                "axes.labelsize": 9.5,
                "xtick.labelsize": 9.5,
                "ytick.labelsize": 9.5,
                "legend.fontsize": 9.5,
            }
        )
        yield


def _svg(figure: Figure, title: str) -> bytes:
    held = io.BytesIO()
    figure.savefig(held, format="svg", metadata={"Title": title, "Date": None})
    return held.getvalue()
