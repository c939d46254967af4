"""The tables of docs/audit.md: made of the lines that `bench.audit` wrote."""

from __future__ import annotations

import pandas as pd

from bench.audit_bounds import WORKS, bounds
from bench.report import markdown_table

TITLES = {"lightgbm": "LightGBM", "embernn": "EmberNN"}
_BOUNDS = ["feeds", "detector", "of", "what", "measured", "bound", ""]
_ATTACKS = [
    "feeds", "detector", "attack", "p (%)", "works", "proved", "suspicious", "ASR (%)", "purified",
    "columns right", "poisoned rows found", "other rows suspected",
]  # fmt: skip


def tables(lines: pd.DataFrame) -> dict[str, str]:
    """Both tables by the names of their markers: every bound, and what each attack came to.

    `lines` are those of `bench.audit`, one for each feed.
    """
    return {
        "audit-bounds": _bounds(lines),
        "audit-attacks": markdown_table(_ATTACKS, _attacks(lines)),
    }


def _bounds(lines: pd.DataFrame) -> str:
    rows = [
        [
            _feeds(line.corpus, line.rows), TITLES[line.detector], line.feeds, line.what,
            line.measured, line.bound,
            line.verdict if line.verdict == "met" else f"**{line.verdict}**",
        ]
        for line in bounds(lines).itertuples()
        if line.verdict != "not measured" or line.counted
    ]  # fmt: skip
    return markdown_table(_BOUNDS, rows)


def _attacks(lines: pd.DataFrame) -> list[list[str]]:
    """Means over those feeds on which the attack works; those of purified ones over the proved."""
    rows = []
    keys = ["corpus", "rows", "detector", "attack", "rate"]
    for (corpus, size, detector, attack, rate), feeds in lines.groupby(keys, sort=True):
        title = [_feeds(corpus, size), TITLES[detector]]
        counts = feeds["verdict"].value_counts()
        if attack == "none":
            told = [str(counts.get(verdict, 0)) for verdict in ("proved", "suspicious")]
            others = _mean(feeds["others_suspected"])
            rows.append([*title, "none", "", f"{len(feeds)} feeds", *told, *[""] * 4, others])
            continue
        works = feeds[pd.to_numeric(feeds["delta_asr"]) >= WORKS]
        counts = works["verdict"].value_counts()
        shares = [
            f"{_mean(works[part])} of {_mean(works[whole])}" if len(works) else ""
            for part, whole in (
                ("columns_right", "columns_true"),
                ("poison_suspected", "poison_rows"),
            )
        ]
        rows.append(
            [
                *title, attack, f"{rate:g}", f"{len(works)} of {len(feeds)}",
                *(str(counts.get(verdict, 0)) for verdict in ("proved", "suspicious")),
                _mean(works["asr"]), _mean(works["asr_purified"]), *shares,
                _mean(works["others_suspected"]),
            ]
        )  # fmt: skip
    return rows


def _feeds(corpus: str, rows: int) -> str:
    kind = "simulated" if corpus == "simulated" else "real"
    return f"{kind}, {rows:,} rows"


def _mean(values: pd.Series) -> str:
    """Rounded; empty where nothing was measured."""
    known = pd.to_numeric(values).dropna()
    return "" if known.empty else f"{known.mean():.0f}"
