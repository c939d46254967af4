from __future__ import annotations

import csv
import io
import re
from dataclasses import replace

import pandas as pd
import pytest

from dokunuki.benchmark.leaderboard import write_leaderboard
from dokunuki.benchmark.pages import (
    defence_page,
    leaderboard_csv,
    leaderboard_page,
    zero_bound,
)
from html_reader import Reader, assert_self_contained

from .conftest import DIVERGED, MISSED, STUDY

NET, TREES = "Feed (simulated corpus), Net", "Feed (simulated corpus), Trees"


@pytest.fixture(scope="module")
def page(benchmark):
    return Reader(leaderboard_page(benchmark.cells, benchmark.standings, benchmark.study, "html"))


def column(table, name):
    heads, *rows = table
    return [row[heads.index(name)] for row in rows]


def test_what_a_label_says_is_not_said_again(benchmark):
    said = replace(benchmark.study.attacks["badnets"], label="BadNets (loud control)")
    study = replace(benchmark.study, attacks={**benchmark.study.attacks, "badnets": said})
    text = leaderboard_page(benchmark.cells, benchmark.standings, study, "html")
    assert (NET, "BadNets (loud control)") in Reader(text).sections


def test_every_table_prints_what_the_defences_were_told(benchmark, page):
    tables = list(page.sections.values())
    own = defence_page("d02", benchmark.cells, benchmark.standings, benchmark.study, "html")
    # The first table of a page is the ledger itself.
    tables += list(Reader(own).sections.values())[1:]
    assert len(tables) > 15
    for table in tables:
        told = set(column(table, "Told"))
        assert told <= {"nothing", "p: assumed 4 %", "which rows are poison; p: assumed 4 %"}


def test_tiers_stand_apart_and_every_cell_is_there(page):
    tables = page.sections
    orders = [title for place, title in tables if place == NET][:4]
    assert [title.split(":")[0].split(",")[0] for title in orders] == [
        *("Defences", "Ours", "With clean rows", "Bounds")
    ]
    assert [len(tables[NET, title]) - 1 for title in orders] == [26, 1, 1, 2]
    assert len(tables[NET, "No attack"]) - 1 == 30
    assert len(tables[NET, "BadNets (loud control)"]) - 1 == 60
    adaptive = tables[NET, "<b>Adaptive</b> (adaptive to A defence | number 4)"]
    assert column(adaptive, "Status").count("diverged: 2 diverged, of 2 seeds") == 3
    left_out = tables[TREES, "Not run: no cell"]
    assert len(left_out) - 1 == 26
    assert len(tables[TREES, "Greedy Combined Selection"]) - 1 == 2 * 4
    assert all("is compared with" in row[-1] for row in left_out[1:])


def test_ranks_are_shown_or_why_there_are_none(page):
    order = next(table for (_, title), table in page.sections.items() if "Defences" in title)
    ranks = dict(zip(column(order, "Defence"), column(order, "Rank"), strict=True))
    notes = dict(zip(column(order, "Defence"), column(order, "Note"), strict=True))
    missed, diverged = (f"A defence | number {int(name[1:])}" for name in (MISSED, DIVERGED))
    assert ranks[missed] == "port not validated"
    assert notes[missed] == (
        "it finds 25 % of the loud control's poison and removes 10 % of the goodware"
    )
    assert ranks[diverged] == "not ranked"
    assert notes[diverged] == "a result in 2 of 4 attacked cells"
    assert column(order, "Recall there").count("75.0") == 6
    assert sorted(int(rank) for rank in ranks.values() if rank.isdigit())[-1] == 24


def test_certificates_stand_apart_from_measured_asr(page):
    for (_, title), table in page.sections.items():
        certified = {head for head in table[0] if "ertif" in head}
        assert bool(certified) == (title == "Certificates")
        assert not (certified and any("ASR" in head for head in table[0]))


def test_what_small_samples_cannot_say_is_said(benchmark, page):
    def text(goodware=60.0):
        cells = benchmark.cells.assign(calibration_goodware=goodware)
        return leaderboard_page(cells, benchmark.standings, benchmark.study, "md")

    assert "About 60 calibration rows are labelled goodware." in text()
    assert (
        "60 are fewer than 1/0.001 = 1000 goodware, too few to say anything about 0.1 %" in text()
    )
    assert "3/60 = 5.0 % (95 %)" in text()
    assert "60 are fewer than 1/0.01 = 100 goodware" in text()
    table = page.sections[NET, "At 1 % and 0.1 % FPR"]
    # None of 120 test goodware.
    assert set(column(table, "FPR at 0.1 %")) == {"0 (below 2.5)"}
    assert set(column(table, "FPR at 1 %")) == {"2.0 ± 0.0"}
    assert zero_bound(2) == 1.0
    assert "are fewer than" not in text(1000.0)
    assert "No calibration rows were set aside" in text(float("nan"))
    assert "FPR at 1 %" not in text(float("nan"))


def test_the_page_needs_nothing_else_and_shows_text_as_it_is(benchmark, page):
    assert_self_contained(page)
    assert ("b", {}) not in page.seen
    assert "<b>Adaptive</b>" in page.text
    assert len(page.rows) > 300


def test_markdown_holds_the_same_tables(benchmark, page):
    text = leaderboard_page(benchmark.cells, benchmark.standings, benchmark.study, "md")
    assert text.startswith("# Leaderboard\n\nShares in percent: mean ± half of the 95 % interval")
    rows = [line for line in text.splitlines() if line.startswith("| ") and "| ---" not in line]
    assert len(rows) == len(page.rows)
    for line, row in zip(rows, page.rows, strict=True):
        cells = re.split(r"(?<!\\) \| ", line[2:-2])
        assert [re.sub(r"\\(.)", r"\1", cell) for cell in cells] == row


def test_a_page_says_what_a_defence_is_and_lists_its_cells(benchmark):
    def page(name):
        return defence_page(name, benchmark.cells, benchmark.standings, benchmark.study)

    text = page(MISSED)
    assert text.startswith("# A defence \\| number 1\n")
    assert "| Paper | Somebody et al., 2020 |" in text
    assert "| Class | sklearn.decomposition.PCA |" in text
    assert "| Poison rate | assumed 4 % |" in text
    assert "port not validated" in text
    assert "(all cells)" in text  # of the other classifier
    assert text.count("| Greedy Combined Selection | 32 | 4 |") >= 2
    assert "<b>Adaptive</b> N = 8 p = 4 %" in re.sub(r"\\", "", page(DIVERGED))
    assert "Every seed of every cell gave a result." in page("d02")


def test_the_csv_holds_every_cell_with_its_rank(benchmark):
    text = leaderboard_csv(benchmark.cells, benchmark.standings)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == len(benchmark.cells) == 2 * 7 * 30
    assert all(row["status"] and row["rank"] and row["told"] for row in rows)
    table = pd.read_csv(io.StringIO(text), keep_default_na=False, na_values=[""])
    assert table["attack"].eq("none").sum() == 60
    assert {"asr_p_holm", "seconds_training_mean", "poison_recall_half"} <= set(table.columns)


def test_everything_is_written_from_the_two_tables(benchmark, tmp_path, monkeypatch):
    monkeypatch.setattr("dokunuki.benchmark.leaderboard.read_metrics", lambda path: path)
    monkeypatch.setattr("dokunuki.benchmark.leaderboard.read_timings", lambda path: path)
    classifiers = {"classifiers": {"trees": "Trees"}}

    def written(name):
        folder = tmp_path / name
        files = {
            "markdown": folder / "l.md",
            "html": folder / "l.html",
            "csv": folder / "l.csv",
            "pareto": (folder / "p.svg", folder / "p.png"),
            "heatmap": (folder / "h.svg", folder / "h.png"),
            "defences": [folder / f"{defence}.md" for defence in STUDY["defences"]],
        }
        metrics, timings = (
            table[table["classifier"] == "trees"]
            for table in (benchmark.metrics, benchmark.timings)
        )
        write_leaderboard(metrics, timings, {**STUDY, **classifiers}, **files)
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    files = written("one")
    assert len(files) == 7 + 30
    assert b"# A defence \\| number 3" in files["d03.md"]
    assert files == written("two")
