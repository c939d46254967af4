"""The tables of docs/audit.md are those of the lines that are kept beside it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from bench.audit_tables import tables
from bench.markers import table_in

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", ["audit-bounds", "audit-attacks"])
def test_the_page_has_the_tables_of_its_lines(name):
    lines = pd.read_csv(DOCS / "audit-bench.csv")
    assert table_in((DOCS / "audit.md").read_text(encoding="utf-8"), name) == tables(lines)[name]


def line(attack="fgsm-flip", verdict="proved", delta_asr=80.0):
    proved = verdict == "proved" and attack != "none"
    return {
        "corpus": "simulated", "rows": 6000, "detector": "lightgbm", "attack": attack, "rate": 4.0,
        "verdict": verdict, "delta_asr": delta_asr if attack != "none" else "",
        "columns_true": 16, "columns_right": 16, "poison_rows": 240, "poison_suspected": 240,
        "others_suspected": 3, "asr": 90.0, "asr_clean": 2.0, "asr_purified": 3.0 if proved else "",
        "accuracy_clean": 97.0, "accuracy_purified": 96.0 if proved else "",
        "accuracy_told": 96.5 if proved else "",
    }  # fmt: skip


def cells(row):
    return row.strip("| ").split(" | ")


def test_an_attack_is_told_by_the_feeds_on_which_it_works():
    drawn = [line(), line(verdict="suspicious"), line(verdict="not audited", delta_asr=3.0)]
    *_, row = tables(pd.DataFrame(drawn))["audit-attacks"].splitlines()
    assert cells(row) == [
        "simulated, 6,000 rows", "LightGBM", "fgsm-flip", "4", "2 of 3", "1", "1", "90", "3",
        "16 of 16", "240 of 240", "3",
    ]  # fmt: skip


def test_clean_feeds_have_their_false_alarms():
    drawn = [line(attack="none", verdict=verdict) for verdict in ("suspicious", "nothing proved")]
    *_, row = tables(pd.DataFrame(drawn))["audit-attacks"].splitlines()
    assert cells(row)[2:7] == ["none", "", "2 feeds", "0", "1"]
