from __future__ import annotations

import base64
import itertools
import math

import pandas as pd
import pytest

from dokunuki.errors import DokunukiError
from dokunuki.figures import answer_page as module
from dokunuki.figures.answer_page import answer_page, write_answer
from html_reader import Reader

EVIL = "<script>alert('x')</script>&"
TITLES = {
    "datasets": {"feed": f"Feed {EVIL}"},
    "attacks": {"greedy": "Greedy", "fgsm": "FGSM"},
    "defences": {"none": "No Defence", "ae": "AE"},
    "classifiers": {"embernn": "EmberNN"},
}
CELL = {"trigger_size": 8, "poison_rate": 0.5}
FIGURES = {("feed", "embernn"): b"<svg/>"}


def summary_row(attack, defence, asr=math.nan, **changes):
    unpoisoned = attack == "none"
    row = {
        "dataset": "feed",
        "corpus": "simulated",
        "attack": attack,
        "trigger_size": 0 if unpoisoned else 8,
        "poison_rate": 0.0 if unpoisoned else 0.5,
        "defence": defence,
        "classifier": "embernn",
        "seeds_ok": 3,
        "seeds_failed": 0,
        "accuracy_mean": 0.9,
        "accuracy_half": 0.0123,
        "asr_mean": asr,
        "asr_half": 0.05,
        "delta_asr_mean": asr - 0.3,
        "delta_asr_half": 0.06,
    }
    return row | changes


ROWS = [
    summary_row("none", "none"),
    summary_row("none", "ae"),
    summary_row("fgsm", "ae", 0.2),
    summary_row("fgsm", "none", 0.4),
    summary_row("greedy", "ae", 0.25),
    summary_row("greedy", "none", 0.25),
    # At another N, another p: none of the answer.
    summary_row("fgsm", "ae", 0.77, trigger_size=1),
    summary_row("fgsm", "ae", 0.88, poison_rate=1.0),
]


def page(rows=ROWS, figures=FIGURES, titles=TITLES):
    return answer_page(pd.DataFrame(rows), figures, titles=titles, **CELL)


def test_rows_follow_the_grid_and_the_lowest_asr_is_marked():
    reader = Reader(page())
    assert reader.rows == [
        ["Attack", "Defence", "Accuracy (%)", "ASR (%)", "ΔASR (points)"],
        ["No attack", "No Defence", "90.0 ± 1.2", "–", "–"],
        ["AE", "90.0 ± 1.2", "–", "–"],
        # Equal: both are.
        ["Greedy", "No Defence", "90.0 ± 1.2", "▸ 25.0 ± 5.0", "-5.0 ± 6.0"],
        ["AE", "90.0 ± 1.2", "▸ 25.0 ± 5.0", "-5.0 ± 6.0"],
        ["FGSM", "No Defence", "90.0 ± 1.2", "40.0 ± 5.0", "+10.0 ± 6.0"],
        ["AE", "90.0 ± 1.2", "▸ 20.0 ± 5.0", "-10.0 ± 6.0"],
    ]
    spans = [attributes for tag, attributes in reader.seen if attributes.get("rowspan")]
    assert [span["rowspan"] for span in spans] == ["2", "2", "2"]
    text = " ".join(reader.text.split())
    assert "N = 8 features in p = 0.5 % of the training rows." in text
    assert "Means of 3 seeds ± half of the 95 % interval (Student t)." in text
    assert f"Feed {EVIL} (simulated corpus), EmberNN" in text


def test_it_needs_no_other_file():
    reader = Reader(page())
    assert not {"script", "link", "iframe"} & {tag for tag, _ in reader.seen}
    sources = [attributes["src"] for _, attributes in reader.seen if "src" in attributes]
    assert sources == [f"data:image/svg+xml;base64,{base64.b64encode(b'<svg/>').decode()}"]


def test_one_seed_has_no_interval_and_says_so():
    halves = {f"{name}_half": math.nan for name in ("accuracy", "asr", "delta_asr")}
    reader = Reader(page([row | halves | {"seeds_ok": 1} for row in ROWS]))
    assert reader.rows[6] == ["AE", "90.0", "▸ 20.0", "-10.0"]
    assert "One seed, and therefore no interval." in reader.text
    assert "±" not in reader.text
    assert "overlap" not in reader.text


def test_diverged_seeds_are_counted_and_no_result_is_no_lowest_one():
    lost = {
        f"{name}_{part}": math.nan
        for name, part in itertools.product(("accuracy", "asr", "delta_asr"), ("mean", "half"))
    }
    rows = [*ROWS, summary_row("greedy", "drop", seeds_ok=0, seeds_failed=3, **lost)]
    rows[3] = rows[3] | {"seeds_ok": 2, "seeds_failed": 1}
    titles = {**TITLES, "defences": {**TITLES["defences"], "drop": "Drop"}}
    reader = Reader(page(rows, titles=titles))
    assert reader.rows[0][-1] == "Seeds"
    assert ["Drop", "–", "–", "–", "0 of 3"] in reader.rows
    assert [
        "FGSM",
        "No Defence",
        "90.0 ± 1.2",
        "40.0 ± 5.0",
        "+10.0 ± 6.0",
        "2 of 3",
    ] in reader.rows
    assert "diverged in training" in reader.text
    # Without one that diverged there is neither column nor word.
    assert "Seeds" not in Reader(page()).text


def test_a_single_defence_is_not_called_lowest():
    reader = Reader(page([row for row in ROWS if row["defence"] == "ae"]))
    assert "▸" not in reader.text


def test_every_dataset_and_classifier_has_a_table_and_a_figure():
    titles = {**TITLES, "classifiers": {"embernn": "EmberNN", "trees": "Trees"}}
    rows = [*ROWS, summary_row("fgsm", "none", 0.5, classifier="trees")]
    reader = Reader(page(rows, {**FIGURES, ("feed", "trees"): b"<svg>2</svg>"}, titles))
    heads = [head.rpartition(", ")[2] for head, _ in reader.sections if head]
    assert heads == ["EmberNN", "Trees"]
    assert reader.sections[(f"Feed {EVIL} (simulated corpus), Trees", "")][1:] == [
        ["FGSM", "No Defence", "90.0 ± 1.2", "50.0 ± 5.0", "+20.0 ± 6.0"]
    ]
    assert sum(tag == "img" for tag, _ in reader.seen) == 2


def test_rows_of_other_grids_change_nothing():
    """The table may hold what further grids add: more defences, and more seeds in other cells."""
    more = [
        summary_row("fgsm", "other", 0.01, seeds_failed=2),
        summary_row("none", "other"),
        summary_row("fgsm", "ae", 0.01, trigger_size=1, seeds_ok=5),
        summary_row("other", "ae", 0.01, seeds_ok=5),
    ]
    assert page([*ROWS, *more]) == page()
    # Without attack stands what is compared under attack.
    titles = {**TITLES, "defences": {**TITLES["defences"], "pca": "PCA"}}
    assert page([*ROWS, summary_row("none", "pca")], titles=titles) == page()


def test_the_table_of_another_run_is_an_error():
    with pytest.raises(DokunukiError, match="dataset 'feed' with classifier 'trees'"):
        page(figures={("feed", "trees"): b""})


def test_it_is_written_from_the_metrics_and_the_figures(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "read_metrics", lambda path: path)
    monkeypatch.setattr(module, "summarise", lambda table: pd.DataFrame(ROWS))
    (tmp_path / "a.svg").write_bytes(b"<svg/>")
    answer = tmp_path / "answer.html"
    write_answer("m.csv", [tmp_path / "a.svg"], answer=answer, titles=TITLES, **CELL)
    assert answer.read_text() == page()
