from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path

import pandas as pd
import pytest
import yaml

from dokunuki.benchmark import standings
from dokunuki.evaluation.measures import MEASURES, Measures
from dokunuki.figures import tables
from dokunuki.figures.tables import (
    configuration_page,
    environment,
    environment_page,
    metrics_page,
    triggers_page,
    write_tables,
)
from dokunuki.storage.files import write_json
from dokunuki.study.keys import RunKey
from dokunuki.study.panels import PANELS
from html_reader import Reader, assert_self_contained

SCHEMA = Path(__file__).resolve().parents[3] / "workflow" / "schemas" / "metrics.schema.yaml"
EVIL = "<script>alert('x')</script>&"


def cell(**changes):
    row = {
        "dataset": "feed",
        "corpus": "simulated",
        "attack": "greedy",
        "trigger_size": 8,
        "poison_rate": 0.5,
        "defence": "ae",
        "classifier": "embernn",
        "seeds_ok": 3,
        "seeds_failed": 0,
    }
    for name in MEASURES:
        row |= {f"{name}_mean": 0.123, f"{name}_half": 0.0456}
    return row | changes


@pytest.fixture
def labels():
    return {
        "datasets": {"feed": f"Feed {EVIL}"},
        "attacks": {"greedy": "Greedy"},
        "defences": {"none": "No Defence", "ae": "AE"},
        "classifiers": {},
    }


def test_the_metrics_say_mean_and_half_interval(labels):
    summary = pd.DataFrame(
        [
            cell(),
            cell(defence="none", seeds_ok=1, seeds_failed=2, asr_half=math.nan),
            cell(defence="none", attack="none", trigger_size=0, asr_mean=math.nan),
        ]
    )
    reader = Reader(metrics_page(summary, **labels))
    assert_self_contained(reader)
    head, unpoisoned, head_again, none, ae = reader.rows
    assert head == head_again
    asr = head.index("ASR")
    assert unpoisoned[asr] == "–"
    assert none[:5] == ["8", "0.5", "No Defence", "embernn", "1 of 3"]
    assert none[asr] == "12.3"
    assert ae[:5] == ["8", "0.5", "AE", "embernn", "3"]
    assert ae[asr] == "12.3 ± 4.6"
    # Those that every cell has; of thresholds, filters and certificates the benchmark tells.
    assert len(head) == 5 + MEASURES.index("threshold_fpr_1")
    assert f"Feed {EVIL} (simulated corpus): No attack" in reader.text


TRIGGER = {
    "attack": "greedy",
    "parameters": {"epsilon": 0.25},
    "label_flip": False,
    "surrogate": "embernn",
    "dataset": "feed",
    "seed": 3,
    "feature_version": 1,
    "size": 2,
    "features": [
        {
            "name": EVIL,
            "index": 617,
            "group": "general",
            "kind": "count",
            "value": 1234567.0,
            "reason": {"sum_shap": -0.12345678, "rows_left": 3.0},
        },
        {"name": "b", "index": 1, "group": "g", "kind": "real", "value": 0.1},
    ],
}


def test_triggers_show_every_feature_and_why():
    reader = Reader(triggers_page([TRIGGER]))
    assert_self_contained(reader)
    assert reader.rows[1] == [
        *("1", EVIL, "1234567", "count", "general"),
        "sum shap -0.123457, rows left 3",
    ]
    assert reader.rows[2] == ["2", "b", "0.1", "real", "g", ""]
    assert "greedy, seed 3" in reader.text
    assert "surrogate embernn; clean labels; epsilon 0.25." in reader.text


def test_the_configuration_is_escaped():
    reader = Reader(configuration_page(f"key: {EVIL}\n"))
    assert_self_contained(reader)
    assert f"key: {EVIL}\n" in reader.text


def test_the_environment_names_python_device_and_packages():
    facts = environment("cuda: H100")
    assert facts["Device"] == "cuda: H100"
    assert facts["Python"].startswith("CPython 3.")
    assert {"dokunuki", "numpy", "torch", "Platform", "Processor"} <= set(facts)
    assert "pytest" not in facts
    reader = Reader(environment_page(facts))
    assert_self_contained(reader)
    assert ["Device", "cuda: H100"] in reader.rows


def test_all_pages_are_written_from_the_tables(labels, tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "read_metrics", lambda path: pd.DataFrame({"device": ["b", "a"]}))
    monkeypatch.setattr(tables, "summarise", lambda table: pd.DataFrame([cell()]))
    write_json(tmp_path / "trigger.json", TRIGGER)
    names = ("summary", "triggers_html", "config_html", "config_yaml", "environment_html")
    files = {name: tmp_path / "pages" / name for name in names}
    config = {"b": 1, "a": [EVIL]}
    write_tables(
        tmp_path / "metrics.csv", [tmp_path / "trigger.json"], config=config, titles=labels, **files
    )
    text = {name: path.read_text() for name, path in files.items()}
    assert yaml.safe_load(text["config_yaml"]) == config
    assert text["config_yaml"].startswith("b: 1")
    assert ["Device", "a, b"] in Reader(text["environment_html"]).rows
    assert "Greedy" in Reader(text["summary"]).text
    assert "greedy, seed 3" in Reader(text["triggers_html"]).text
    assert text["config_yaml"] in Reader(text["config_html"]).text


def test_every_measure_that_is_shown_is_measured_and_described():
    schema = yaml.safe_load(SCHEMA.read_text())
    measured = {field.name for field in fields(Measures)}
    keys = {field.name for field in fields(RunKey)}
    facts = {"train_rows", "poison_rows", "status", "device", "certificate"}
    assert set(schema["properties"]) == set(schema["required"]) == measured | keys | facts
    assert set(tables.MEASURE_COLUMNS) == set(MEASURES[: MEASURES.index("threshold_fpr_1")])
    # The leaderboard shows all shares, and of the counts what filters removed.
    unranked = {"fnr_validation", "threshold_fpr_1", "threshold_fpr_01"}
    assert set(standings.MEASURES) == {*MEASURES, "removed_rows"} - unranked
    assert {panel.measure for panel in PANELS.values()} <= set(MEASURES)
