from __future__ import annotations

import math
from html.parser import HTMLParser

import pandas as pd
import pytest

from dokunuki.evaluation.measures import MEASURES
from dokunuki.figures.tables import (
    configuration_page,
    environment,
    environment_page,
    metrics_page,
    triggers_page,
)

EVIL = "<script>alert('x')</script>&"


class Reader(HTMLParser):
    """Collects rows of cells, and checks that tags close in order."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.open, self.seen, self.text = [], [], [], ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag == "meta":
            return
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


def assert_self_contained(reader):
    for tag, attributes in reader.seen:
        assert tag not in ("script", "link", "img", "iframe")
        assert not {"src", "href"} & set(attributes)


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


def test_triggers_show_every_feature_and_why():
    trigger = {
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
    reader = Reader(triggers_page([trigger]))
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
