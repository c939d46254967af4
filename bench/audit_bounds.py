"""The bounds that the audit is held to, and whether the feeds of a table met them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from dokunuki.audit.results import LEAST_DELTA

if TYPE_CHECKING:
    from collections.abc import Iterable

# An attack works where its poison adds so much to what passes with the trigger, in points.
WORKS = 100 * LEAST_DELTA
# Of the feeds on which the attack works: so many are found, and so many of them proved.
FOUND = 0.9
PROVED = 0.75
# Of clean feeds none is proved, and at most this share is suspicious (2 of 20).
SUSPICIOUS_CLEAN = 0.1
# A purified detector against one of the feed without poison, in points.
ASR_LEFT = 10.0
ACCURACY_LOST = 1.5

COLUMNS = ["corpus", "rows", "detector", "feeds", "what", "counted", "measured", "bound", "verdict"]


def bounds(table: pd.DataFrame, kept_aside: Iterable[str] = ("transplant",)) -> pd.DataFrame:
    """A line for each bound, corpus, size and detector: what was measured, and met or missed.

    `table` are the lines of `bench.audit`, and `kept_aside` the attacks that no constant was chosen
    on: they have lines of their own, beside those of all other attacks. Where no feed can tell, the
    verdict is "not measured".
    """
    lines = []
    aside = table["attack"].isin(list(kept_aside))
    for (corpus, rows, detector), feeds in table.groupby(["corpus", "rows", "detector"]):
        kept, clean = aside[feeds.index], feeds["attack"] == "none"
        for title, part in (
            ("the catalogue's attacks", feeds[~kept & ~clean]),
            ("an attack kept aside", feeds[kept]),
            ("no attack", feeds[clean]),
        ):
            judged = _clean(part) if title == "no attack" else _poisoned(part)
            lines += [(corpus, rows, detector, title, *line) for line in judged]
    return pd.DataFrame(lines, columns=COLUMNS)


def _poisoned(feeds: pd.DataFrame) -> list[tuple[str, int, str, str, str]]:
    works = feeds[pd.to_numeric(feeds["delta_asr"]) >= WORKS]
    proved = works[works["verdict"] == "proved"]
    found = int(works["verdict"].isin(["proved", "suspicious"]).sum())
    named = int((2 * proved["columns_right"] >= proved["columns_true"]).sum())
    left = pd.to_numeric(proved["asr_purified"]) - pd.to_numeric(proved["asr_clean"])
    clean = pd.to_numeric(proved["accuracy_clean"])
    lost = clean - pd.to_numeric(proved["accuracy_purified"])
    lost_told = clean - pd.to_numeric(proved["accuracy_told"])
    return [
        _share("proved or suspicious", found, len(works), least=FOUND),
        _share("proved", len(proved), len(works), least=PROVED),
        _share("proved, and half of the columns named", named, len(proved), least=1),
        _worst("ASR left once purified, in points", left, ASR_LEFT),
        _worst("accuracy lost once purified, in points", lost, ACCURACY_LOST),
        _worst("the same, by somebody who is told the poison", lost_told, ACCURACY_LOST),
    ]


def _clean(feeds: pd.DataFrame) -> list[tuple[str, int, str, str, str]]:
    return [
        _share("proved", int((feeds["verdict"] == "proved").sum()), len(feeds), most=0),
        _share(
            "suspicious",
            int((feeds["verdict"] == "suspicious").sum()),
            len(feeds),
            most=SUSPICIOUS_CLEAN,
        ),
    ]


def _share(
    what: str, count: int, of: int, *, least: float = 0.0, most: float = 1.0
) -> tuple[str, int, str, str, str]:
    bound = f"at least {100 * least:g} %" if least else f"at most {100 * most:g} %"
    if not of:
        return what, 0, "", bound, "not measured"
    met = least <= count / of <= most
    return what, of, f"{count} of {of}", bound, "met" if met else "missed"


def _worst(what: str, values: pd.Series, bound: float) -> tuple[str, int, str, str, str]:
    """The largest of the values, and how many are within the bound."""
    known = values.dropna()
    if known.empty:
        return what, 0, "", f"at most {bound:g}", "not measured"
    within = int((known <= bound).sum())
    shown = f"{known.max():.1f} at worst, {within} of {len(known)} within"
    return (
        what,
        len(known),
        shown,
        f"at most {bound:g}",
        "met" if within == len(known) else "missed",
    )
