from __future__ import annotations

import csv
import io
import re
from dataclasses import replace

import pandas as pd
import pytest

from dokunuki.benchmark.leaderboard import write_leaderboard
from dokunuki.benchmark.pages import (
    HARDLY_POISONS,
    attacks_page,
    defence_page,
    details_page,
    leaderboard_csv,
    leaderboard_page,
    zero_bound,
)
from dokunuki.benchmark.standings import build_cells, build_standings
from html_reader import Reader, assert_self_contained

from .conftest import DIVERGED, MISSED, STUDY

NET, TREES = "Feed (simulated corpus), Net", "Feed (simulated corpus), Trees"


@pytest.fixture(scope="module")
def page(benchmark):
    return Reader(details_page(benchmark.cells, benchmark.standings, benchmark.study, "html"))


def column(table, name):
    heads, *rows = table
    return [row[heads.index(name)] for row in rows]


BOARD_COLUMNS = [
    *("Defence", "Told", "Worst ASR", "Mean ΔASR", "Accuracy lost", "Cost", "Rank interval", "Note")
]


@pytest.fixture(scope="module")
def board(benchmark):
    return Reader(leaderboard_page(benchmark.cells, benchmark.standings, benchmark.study, "html"))


def row_of(table, label):
    (row,) = [row for row in table[1:] if row[0] == label]
    return dict(zip(table[0], row, strict=True))


def test_the_leaderboard_is_one_table_of_eight_columns_a_classifier(board):
    assert list(board.sections) == [(NET, ""), (TREES, "")]
    assert all(table[0] == BOARD_COLUMNS for table in board.sections.values())
    # The ranked ones of both tiers in one order, then those without a rank, each with the reason.
    net = board.sections[NET, ""]
    ranks = column(net, "Rank interval")
    assert len(ranks) == 30
    assert ranks[24:] == ["–"] * 6
    assert all(re.fullmatch(r"\d+=? \(\d+ to \d+\)", rank) for rank in ranks[:24])
    places = [int(re.match(r"\d+", rank)[0]) for rank in ranks[:24]]
    assert (places[0], places) == (1, sorted(places))
    notes = {label: row_of(net, f"A defence | number {label}")["Note"] for label in (1, 6, 26, 29)}
    assert notes[1].startswith("port not validated: it finds 25 % of the loud control's poison")
    assert notes[6].startswith("not ranked: a result in 2 of 4 attacked cells")
    assert notes[26].startswith("ours; worst: ")
    assert notes[29].startswith("knows the poison: not ranked; worst: ")
    # What was not run with a classifier is said once, below its table.
    assert len(board.sections[TREES, ""]) - 1 == 4
    assert "A defence | number 29: not run: Trees is compared with No Defence" in board.text


def test_the_leaderboard_says_what_a_defence_costs(benchmark, board):
    net = board.sections[NET, ""]
    own = benchmark.standings.query("classifier == 'net' and defence == 'd02'").iloc[0]
    row = row_of(net, "A defence | number 2")
    assert row["Cost"] == "3.2 s (1.0 ×)"
    assert row["Mean ΔASR"] == "+10.0"
    lost, half = (100 * own[f"accuracy_difference{end}"] for end in ("", "_half"))
    assert row["Accuracy lost"] == f"{-lost:+.1f} ± {half:.1f}"
    none = row_of(net, "No Defence")
    assert none["Accuracy lost"] == "–"
    assert none["Note"].startswith("accuracy 96.")


def test_one_seed_has_ranks_without_interval(benchmark):
    metrics, timings = (
        table[table["seed"] == 0] for table in (benchmark.metrics, benchmark.timings)
    )
    study = replace(benchmark.study, seeds=[0])
    cells = build_cells(metrics, timings, study)
    text = leaderboard_page(cells, build_standings(cells, metrics, study), study, "html")
    ranks = column(Reader(text).sections[NET, ""], "Rank interval")
    assert all(rank.rstrip("=").isdigit() for rank in ranks[:24])
    assert "one seed allows no interval" in re.sub(r"\s+", " ", text)


def test_the_attacks_have_a_page_that_says_which_of_them_poison(benchmark, board):
    cells = benchmark.cells.copy()
    greedy = cells["attack"].eq("greedy") & cells["trigger_size"].eq(32)
    cells.loc[greedy, ["delta_asr_mean", "delta_asr_half"]] = 0.2, 0.01
    page = Reader(attacks_page(cells, benchmark.standings, benchmark.study, "html"))
    table = page.sections[NET, ""]
    assert table[0] == [
        *("Attack", "Poisoned rows", "N", "p (%)", "ASR", "ASR without poison", "ΔASR", "Note")
    ]
    assert len(table) - 1 == 6
    greedy = [dict(zip(table[0], row, strict=True)) for row in table[1:] if "Greedy" in row[0]]
    assert [(row["N"], row["ΔASR"], row["Note"]) for row in greedy] == [
        ("8", "+10.0 ± 0.0", HARDLY_POISONS),
        ("32", "+20.0 ± 1.0", ""),
    ]
    assert {row["Poisoned rows"] for row in greedy} == {"clean-label"}
    loud = dict(zip(table[0], table[1], strict=True))
    assert (loud["Poisoned rows"], loud["Note"]) == (
        "labels flipped",
        f"{HARDLY_POISONS}; loud control",
    )
    assert (loud["ASR without poison"], loud["Attack"]) == ("4.0 ± 0.0", "BadNets")
    # The leaderboard names them below its tables, the loud control apart.
    assert board.text.count("Greedy Combined Selection, <b>Adaptive</b>") == 2


def test_what_a_label_says_is_not_said_again(benchmark):
    said = replace(benchmark.study.attacks["badnets"], label="BadNets (loud control)")
    study = replace(benchmark.study, attacks={**benchmark.study.attacks, "badnets": said})
    text = details_page(benchmark.cells, benchmark.standings, study, "html")
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
    left_out = tables[TREES, "Not run in any cell"]
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
        return details_page(cells, benchmark.standings, benchmark.study, "md")

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
    text = details_page(benchmark.cells, benchmark.standings, benchmark.study, "md")
    opening = "Shares in percent: mean ± half of the 95 % interval"
    assert text.startswith(f"# Leaderboard in detail\n\n{opening}")
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
            **{
                page: (folder / f"{page}.md", folder / f"{page}.html")
                for page in ("leaderboard", "attacks", "details")
            },
            "csv": folder / "l.csv",
            "order": folder / "o.csv",
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
    assert len(files) == 12 + 30
    assert b"# A defence \\| number 3" in files["d03.md"]
    assert files == written("two")
