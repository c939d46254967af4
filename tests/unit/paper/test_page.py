from __future__ import annotations

import base64
import csv
import math

import pandas as pd
import pytest

from dokunuki.errors import DokunukiError
from dokunuki.paper import page
from dokunuki.paper.page import answer_rows, write_paper
from html_reader import Reader

PIXELS = b"\x89PNG of the page"
TITLES = {
    "datasets": {"feed": "Feed & co"},
    "attacks": {"greedy": "Greedy", "fgsm": "FGSM"},
    "defences": {"none": "No Defence", "ae": "AE"},
    "classifiers": {"embernn": "EmberNN"},
}


def grid(title, figure="panels", **changes):
    return {
        "title": title,
        "figure": figure,
        "datasets": ["feed"],
        "classifiers": ["embernn"],
        "attacks": ["greedy", "fgsm"],
        "defences": ["none", "ae"],
        "titles": TITLES,
        "fixed_trigger_size": 8,
        "fixed_poison_rate": 1.0,
    } | changes


def row(attack, defence, asr=math.nan, **changes):
    unpoisoned = attack == "none"
    cell = {
        "dataset": "feed",
        "attack": attack,
        "trigger_size": 0 if unpoisoned else 8,
        "poison_rate": 0.0 if unpoisoned else 1.0,
        "defence": defence,
        "classifier": "embernn",
        "seeds_ok": 3,
        "seeds_failed": 0,
    } | changes
    means = {"accuracy": 0.96 if unpoisoned else 0.95, "asr": asr}
    means |= {"asr_clean": 0.1, "delta_asr": asr - 0.1}
    for name, mean in means.items():
        cell |= {f"{name}_mean": mean, f"{name}_half": 0.02}
    return cell


@pytest.fixture
def summary():
    return pd.DataFrame(
        [
            row("none", "none"),
            row("none", "ae"),
            row("greedy", "none", 0.5),
            row("greedy", "ae", 0.25),
            row("fgsm", "none", 0.9),
            row("fgsm", "ae", 0.4),
            # At another N and another p: none of the answer.
            row("fgsm", "ae", 0.77, trigger_size=1),
            row("fgsm", "ae", 0.88, poison_rate=2.0),
        ]
    )


@pytest.fixture
def written(summary, tmp_path, monkeypatch):
    """What the page and the table hold, of grids and of figures by their path."""
    monkeypatch.setattr(page, "read_metrics", lambda _: None)
    monkeypatch.setattr(page, "summarise", lambda _: summary)

    def write(grids, figures=()):
        places = [tmp_path / "paper" / figure for figure in figures]
        for place in places:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(PIXELS)
        html, table = tmp_path / "report.html", tmp_path / "table.csv"
        spec = {"grids": grids, "train_rows": 8000}
        write_paper("metrics.csv", spec, places, html=html, csv=table)
        return Reader(html.read_text()), list(csv.DictReader(table.open()))

    return write


def test_rows_are_those_of_the_fixed_cell_in_the_order_of_the_grid(summary):
    rows = answer_rows(summary, grid("Main"))
    assert [(r["attack"], r["defence"], r["asr"]) for r in rows] == [
        ("greedy", "none", 0.5),
        ("greedy", "ae", 0.25),
        ("fgsm", "none", 0.9),
        ("fgsm", "ae", 0.4),
    ]
    assert rows[0]["clean_accuracy"] == 0.96
    assert rows[0]["delta_asr"] == pytest.approx(0.4)
    assert (rows[0]["trigger_size"], rows[0]["poison_rate"]) == (8, 1.0)


def test_a_missing_cell_is_named(summary):
    with pytest.raises(DokunukiError, match=r"no cell feed, embernn, greedy, mdr with N = 8 and p"):
        answer_rows(summary, grid("Main", defences=["none", "mdr"]))


def test_a_grid_has_its_table_and_its_figures_beneath_its_title(written):
    reader, rows = written(
        {"grid": grid("Main"), "few": grid("Fewer", attacks=["fgsm"])},
        ["grid/feed/embernn/greedy.png", "few/feed/embernn/fgsm.png"],
    )
    heading = "Feed & co, EmberNN, N = 8, p = 1 %"
    assert reader.sections[("Main", heading)] == [
        ["Attack", "Defence", "Accuracy", "ASR", "ASR unpoisoned", "ΔASR"],
        ["Greedy", "No Defence", "95.0 ± 2.0", "50.0 ± 2.0", "10.0 ± 2.0", "+40.0 ± 2.0"],
        ["Greedy", "AE", "95.0 ± 2.0", "25.0 ± 2.0", "10.0 ± 2.0", "+15.0 ± 2.0"],
        ["FGSM", "No Defence", "95.0 ± 2.0", "90.0 ± 2.0", "10.0 ± 2.0", "+80.0 ± 2.0"],
        ["FGSM", "AE", "95.0 ± 2.0", "40.0 ± 2.0", "10.0 ± 2.0", "+30.0 ± 2.0"],
    ]
    assert [cells[0] for cells in reader.sections[("Fewer", heading)]] == ["Attack", "FGSM", "FGSM"]
    images = [attributes for tag, attributes in reader.seen if tag == "img"]
    assert [image["alt"] for image in images] == [
        "Feed & co, EmberNN, Greedy",
        "Feed & co, EmberNN, FGSM",
    ]
    coded = base64.b64encode(PIXELS).decode()
    assert {image["src"] for image in images} == {f"data:image/png;base64,{coded}"}
    assert [(r["grid"], r["attack"], r["defence"]) for r in rows] == [
        *(("grid", attack, name) for attack in ("greedy", "fgsm") for name in ("none", "ae")),
        ("few", "fgsm", "none"),
        ("few", "fgsm", "ae"),
    ]
    assert "8,000 training rows" in " ".join(reader.text.split())


def test_a_count_of_poisoned_rows_is_a_figure_and_no_table(written):
    reader, rows = written({"count": grid("Count", "poison-count")}, ["count/poison-count.png"])
    assert rows == []
    assert reader.rows == []
    assert [attributes["alt"] for tag, attributes in reader.seen if tag == "img"] == [
        "poison-count"
    ]


def test_seeds_are_told(written, summary):
    reader, _ = written({"grid": grid("Main")})
    assert "over at most 3 seeds" in " ".join(reader.text.split())
    summary["seeds_ok"] = 1
    reader, _ = written({"grid": grid("Main")})
    assert "one seed, no interval" in " ".join(reader.text.split())
