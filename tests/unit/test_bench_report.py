from __future__ import annotations

from pathlib import Path

import pytest

from bench.markers import table_in, write_tables
from bench.report import performance, section, updated

ROOT = Path(__file__).parents[2]
NAMES = ("quick", "slow")
LINES = [
    {"processor": "Z80", "benchmark": "quick"},
    {"name": "speed", "ours_s": 1.0, "ratio": 4.2, "bound": "at least 4", "verdict": "met"},
    {"name": "sum |S|", "ratio": 9, "bound": "at most 2", "verdict": "missed"},
    {"name": "Keras", "bound": "at least 4", "verdict": "not measured: no TensorFlow"},
    {"rule": "train", "jobs": 3},
    {"name": "quick", "verdict": "failed, exit code 1"},
]


def test_performance_page_shows_the_bounds_of_the_results():
    results = (ROOT / "bench" / "results.md").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert performance(results).count("\n") > 2
    assert table_in(page, "performance") == performance(results)


def test_section_says_what_it_ran_on_and_what_was_not_met():
    text = section("quick", LINES, {"seconds": 3, "processor": "unknown"})
    assert text.startswith("## quick\n\n`python -m bench quick`: seconds 3, processor Z80\n")
    assert "| speed | ours_s 1.0 | 4.2 | at least 4 | met |" in text
    assert r"| sum \|S\| |  | 9 | at most 2 | **missed** |" in text
    assert "| Keras |  |  | at least 4 | **not measured: no TensorFlow** |" in text
    assert "| quick |  |  |  | **failed, exit code 1** |" in text
    assert text.endswith("| rule | jobs |\n|---|---|\n| train | 3 |\n")


def test_performance_has_one_line_per_bound_and_no_details():
    assert performance(section("quick", LINES, {})).splitlines() == [
        "|  | ratio | bound |  |",
        "|---|---|---|---|",
        "| speed | 4.2 | at least 4 | met |",
        r"| sum \|S\| | 9 | at most 2 | **missed** |",
        "| Keras |  | at least 4 | **not measured: no TensorFlow** |",
        "| quick |  |  | **failed, exit code 1** |",
    ]


def test_one_section_is_replaced_and_the_others_stay():
    first = updated("", "slow", section("slow", LINES[:2], {}), NAMES)
    assert "| quick |  |  |  | **not measured** |" in first
    both = updated(first, "quick", section("quick", LINES, {}), NAMES)
    again = updated(both, "quick", section("quick", LINES[2:3], {}), NAMES)
    assert "**not measured**" not in both
    assert both.index("## quick") < both.index("## slow")
    assert both.partition("## slow")[2] == again.partition("## slow")[2]
    assert again.count("## quick") == 1
    assert "| train | 3 |" not in again


def test_unknown_sections_are_dropped():
    old = updated("", "slow", section("slow", LINES[:2], {}), NAMES)
    assert "## slow" not in updated(old, "quick", section("quick", LINES, {}), ("quick",))


def test_tables_are_written_between_their_markers(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- table: t -->\nold\n<!-- end: t -->\nb\n", encoding="utf-8")
    write_tables(page, {"t": "| new |"})
    assert page.read_text() == "a\n<!-- table: t -->\n| new |\n<!-- end: t -->\nb\n"
    with pytest.raises(ValueError, match="'u'"):
        write_tables(page, {"u": "| new |"})
