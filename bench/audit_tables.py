"""The tables of docs/audit.md: made of the lines that `bench.audit` wrote."""

from __future__ import annotations

import pandas as pd

from bench.audit_bounds import WORKS, bounds
from bench.report import markdown_table, shown_verdict

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
            line.measured, line.bound, shown_verdict(line.verdict),
        ]
        for line in bounds(lines).itertuples()
        if line.counted
    ]  # fmt: skip
    return markdown_table(_BOUNDS, rows)


def _attacks(lines: pd.DataFrame) -> list[list[str]]:
    """Means over those feeds on which the attack works; those of purified ones over the proved."""
    rows = []
    keys = ["corpus", "rows", "detector", "attack", "rate"]
    for (corpus, size, detector, attack, rate), feeds in lines.groupby(keys):
        clean = attack == "none"
        told = feeds if clean else feeds[pd.to_numeric(feeds["delta_asr"]) >= WORKS]
        of_all = f"{len(feeds)} feeds" if clean else f"{len(told)} of {len(feeds)}"
        counts = told["verdict"].value_counts()
        share = "" if clean else f"{rate:g}"
        rows.append(
            [
                _feeds(corpus, size), TITLES[detector], attack, share, of_all,
                str(counts.get("proved", 0)), str(counts.get("suspicious", 0)),
                *([""] * 4 if clean else _of_attack(told)), _mean(told["others_suspected"]),
            ]
        )  # fmt: skip
    return rows


def _of_attack(feeds: pd.DataFrame) -> list[str]:
    """ASR as is and purified, and what was found of the columns and of the rows."""
    found = (("columns_right", "columns_true"), ("poison_suspected", "poison_rows"))
    shares = (
        f"{_mean(feeds[part])} of {_mean(feeds[whole])}" if len(feeds) else ""
        for part, whole in found
    )
    return [_mean(feeds["asr"]), _mean(feeds["asr_purified"]), *shares]


def _feeds(corpus: str, rows: int) -> str:
    kind = "simulated" if corpus == "simulated" else "real"
    return f"{kind}, {rows:,} rows"


def _mean(values: pd.Series) -> str:
    """Rounded; empty where nothing was measured."""
    known = pd.to_numeric(values).dropna()
    return "" if known.empty else f"{known.mean():.0f}"
