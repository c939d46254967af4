from __future__ import annotations

import csv
import io
import re
from dataclasses import replace

import pandas as pd
import pytest

from dokunuki.benchmark.pages import (
    Heading,
    Paragraph,
    Table,
    defence_blocks,
    html,
    leaderboard_blocks,
    leaderboard_csv,
    markdown,
    threshold_notes,
    zero_bound,
)

from .conftest import DIVERGED, MISSED
from .test_tables import Reader, assert_self_contained


@pytest.fixture(scope="module")
def blocks(benchmark):
    return leaderboard_blocks(benchmark.cells, benchmark.standings, benchmark.study)


def sections(blocks):
    """Tables by the headings above them."""
    found, second, third = {}, "", ""
    for block in blocks:
        match block:
            case Heading(2, text):
                second, third = text, ""
            case Heading(3, text):
                third = text
            case Table():
                found[second, third] = block
    return found


def column(table, name):
    (place, *_) = [number for number, (head, _) in enumerate(table.heads) if head == name]
    return [row[place] for row in table.rows]


def test_markdown_tables_have_as_many_cells_as_heads_and_escape_text():
    table = Table([("a|b", False), ("n", True)], [["x | <y>", "1"], ["*", "2"]])
    text = markdown("T", [Heading(2, "H"), Paragraph("p_q"), table])
    assert text.splitlines() == [
        "# T",
        "",
        "## H",
        "",
        "p\\_q",
        "",
        "| a\\|b | n |",
        "| --- | ---: |",
        "| x \\| \\<y\\> | 1 |",
        "| \\* | 2 |",
    ]


def test_what_a_label_says_is_not_said_again(benchmark):
    said = replace(benchmark.study.attacks["badnets"], label="BadNets (loud control)")
    study = replace(benchmark.study, attacks={**benchmark.study.attacks, "badnets": said})
    tables = sections(leaderboard_blocks(benchmark.cells, benchmark.standings, study))
    assert ("Feed (simulated corpus), Net", "BadNets (loud control)") in tables


def test_every_table_prints_what_the_defences_were_told(benchmark, blocks):
    tables = [block for block in blocks if isinstance(block, Table)]
    page = defence_blocks("d02", benchmark.cells, benchmark.standings, benchmark.study)
    # The first table of a page is the ledger itself.
    tables += [block for block in page if isinstance(block, Table)][1:]
    assert len(tables) > 15
    for table in tables:
        assert ("Told", False) in table.heads
        told = set(column(table, "Told"))
        assert told <= {"nothing", "p: assumed 4 %", "which rows are poison; p: assumed 4 %"}


def test_tiers_stand_apart_and_every_cell_is_there(benchmark, blocks):
    tables = sections(blocks)
    net = "Feed (simulated corpus), Net"
    orders = [title for place, title in tables if place == net][:4]
    assert [title.split(":")[0].split(",")[0] for title in orders] == [
        *("Defences", "Ours", "Reference", "Bounds")
    ]
    assert [len(tables[net, title].rows) for title in orders] == [26, 1, 1, 2]
    assert len(tables[net, "No attack"].rows) == 30
    assert len(tables[net, "BadNets (loud control)"].rows) == 60
    adaptive = tables[net, "<b>Adaptive</b> (adaptive to A defence | number 4)"]
    lost = [row for row in adaptive.rows if "diverged: 2 diverged, of 2 seeds" in row]
    assert len(lost) == 3
    trees = "Feed (simulated corpus), Trees"
    left_out = tables[trees, "Not run: no cell"]
    ran = tables[trees, "Greedy Combined Selection"]
    assert len(left_out.rows) == 26
    assert len(ran.rows) == 2 * 4
    assert all("is compared with" in row[-1] for row in left_out.rows)


def test_ranks_are_shown_or_why_there_are_none(blocks):
    tables = sections(blocks)
    order = next(table for (_, title), table in tables.items() if title.startswith("Defences"))
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


def test_certificates_stand_apart_from_measured_asr(blocks):
    for (_, title), table in sections(blocks).items():
        heads = {head for head, _ in table.heads}
        certified = {head for head in heads if "ertif" in head}
        assert bool(certified) == (title == "Certificates")
        assert not (certified and any("ASR" in head for head in heads))


def test_what_small_samples_cannot_say_is_said(benchmark, blocks):
    text = markdown("T", blocks)
    assert "60 are fewer than 1/0.001 = 1000 goodware" in text
    assert "3/60 = 5.0 % (95 %)" in text
    assert "60 are fewer than 1/0.01 = 100 goodware" in text
    table = sections(blocks)["Feed (simulated corpus), Net", "At 1 % and 0.1 % FPR"]
    # None of 120 test goodware.
    assert set(column(table, "FPR at 0.1 %")) == {"0 (below 2.5)"}
    assert set(column(table, "FPR at 1 %")) == {"2.0 ± 0.0"}
    assert zero_bound(2) == 1.0
    enough = benchmark.cells.assign(calibration_goodware=1000.0)
    assert len(threshold_notes(enough)) == 1
    none = benchmark.cells.assign(calibration_goodware=float("nan"))
    assert threshold_notes(none)[0].startswith("No calibration rows were set aside")


def test_the_page_needs_nothing_else_and_shows_text_as_it_is(blocks):
    page = html("Leaderboard", blocks)
    reader = Reader(page)
    assert_self_contained(reader)
    assert "<b>" not in page
    assert "<b>Adaptive</b>" in reader.text
    assert len(reader.rows) > 300


def test_a_page_says_what_a_defence_is_and_lists_its_cells(benchmark):
    def page(name):
        blocks = defence_blocks(name, benchmark.cells, benchmark.standings, benchmark.study)
        return markdown(benchmark.study.defences[name].label, blocks)

    text = page(MISSED)
    assert text.startswith("# A defence \\| number 1\n")
    assert "| Paper | Somebody et al., 2020 |" in text
    assert "| Class | somewhere.Some\\_Defence |" in text
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
