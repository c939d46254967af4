from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from dokunuki.errors import DokunukiError
from dokunuki.paper import findings
from dokunuki.paper.findings import write_finding

RECONSTRUCTION = "dokunuki.defences.autoencoder.AutoencoderReconstruction"
CLIPPING = "dokunuki.defences.clipping.Clipping"
SPEC = {
    "subtitle": "Feed, N = 32",
    "datasets": {"feed": "Feed"},
    "attacks": {"greedy": "Greedy", "fgsm": "FGSM"},
    "classifiers": {"embernn": "EmberNN"},
    "defences": {
        "none": {"label": "No Defence", "class": ""},
        "ae": {"label": "AE", "class": RECONSTRUCTION},
        "clipping": {"label": "Clipping 3", "class": CLIPPING},
    },
    "trigger_size": 32,
    "poison_rate": 1.0,
    "train_rows": {"feed": 8000},
    "epochs": {"embernn": 60},
    "steps_per_epoch": 16,
}


def row(attack, defence, asr=math.nan, **changes):
    unpoisoned = attack == "none"
    cell = {
        "dataset": "feed",
        "attack": attack,
        "trigger_size": 0 if unpoisoned else 32,
        "poison_rate": 0.0 if unpoisoned else 1.0,
        "defence": defence,
        "classifier": "embernn",
        "asr_clean_mean": 0.1,
        "accuracy_mean": 0.95,
    } | changes
    return cell | {"asr_mean": asr, "asr_low": asr - 0.05, "asr_high": asr + 0.05}


@pytest.fixture
def drawn(monkeypatch):
    """Draw a finding of these rows: its axes, row by row, and the legend's labels."""
    figures = []
    monkeypatch.setattr(findings, "save_figure", lambda figure, *_: figures.append(figure))

    def draw(name, rows, spec, counts=()):
        monkeypatch.setattr(findings, "summarise", lambda _: pd.DataFrame(rows))
        metrics = pd.DataFrame(counts, columns=["dataset", "poison_rate", "poison_rows"])
        monkeypatch.setattr(findings, "read_metrics", lambda _: metrics)
        write_finding(name, "metrics.csv", spec, svg="a.svg", png="a.png")
        figure = figures[-1]
        (legend,) = [held.legends[0] for held in figure.subfigs if held.legends]
        return figure.axes, [text.get_text() for text in legend.get_texts()]

    return draw


def places(axes, marker):
    """Where the points of a marker are."""
    return [
        tuple(point)
        for line in axes.lines
        if line.get_marker() == marker
        for point in np.column_stack(line.get_data()).tolist()
    ]


def test_a_point_of_the_map_is_clean_accuracy_against_asr(drawn):
    rows = [row("none", name, accuracy_mean=0.99 - 0.02 * at) for at, name in enumerate(
        SPEC["defences"])]  # fmt: skip
    rows += [
        row(attack, name, 0.8 - 0.2 * at - 0.1 * (attack == "fgsm"))
        for attack in SPEC["attacks"]
        for at, name in enumerate(SPEC["defences"])
    ]
    # At another N, another p and of another classifier.
    rows += [
        row("greedy", "ae", 0.05, trigger_size=8),
        row("greedy", "ae", 0.05, poison_rate=4.0),
        row("greedy", "ae", 0.05, classifier="trees"),
    ]
    (greedy, fgsm), legend = drawn("map", rows, SPEC)
    assert (greedy.get_title(loc="left"), fgsm.get_title(loc="left")) == ("Greedy", "FGSM")
    assert places(greedy, "D") == [pytest.approx((0.97, 0.6))]
    assert places(fgsm, "D") == [pytest.approx((0.97, 0.5))]
    assert places(greedy, "o") == [pytest.approx((0.99, 0.8))]
    assert places(greedy, "^") == [pytest.approx((0.95, 0.4))]
    assert legend == ["No defence, Deletion", "Autoencoder", "Clipping"]
    assert {text.get_text() for text in greedy.texts} >= {"No Defence", "AE", "Clipping 3"}


def test_a_thin_line_leads_to_what_the_trigger_does_unpoisoned(drawn):
    rows = [row("none", "none"), row("greedy", "none", 0.8, asr_clean_mean=0.3)]
    spec = SPEC | {"attacks": {"greedy": "Greedy"}, "defences": {"none": SPEC["defences"]["none"]}}
    (axes,), _ = drawn("map", rows, spec)
    stems = [line.get_ydata().tolist() for line in axes.lines if len(line.get_xdata()) == 2]
    assert stems == [pytest.approx([0.3, 0.8])]


def test_a_defence_that_never_trained_has_no_point(drawn):
    rows = [row("none", name) for name in SPEC["defences"]]
    rows += [row("greedy", "none", 0.5), row("greedy", "ae"), row("greedy", "clipping", 0.2)]
    (axes,), legend = drawn("map", rows, SPEC | {"attacks": {"greedy": "Greedy"}})
    assert places(axes, "D") == []
    assert legend == ["No defence, Deletion", "Clipping"]


def test_the_length_of_training_is_drawn_in_epochs_whatever_the_order_of_names(drawn):
    epochs = {"long": 30, "short": 3}
    spec = SPEC | {
        "classifiers": {"long": "30 epochs", "short": "3 epochs"},
        "epochs": epochs,
        "defences": {name: SPEC["defences"][name] for name in ("none", "ae")},
    }
    rows = [
        row(attack, defence, 0.01 * epochs[name], classifier=name)
        for attack, defence, name in itertools.product(SPEC["attacks"], spec["defences"], epochs)
    ]
    (none, ae), legend = drawn("training-length", rows, spec)
    assert (none.get_title(loc="left"), ae.get_title(loc="left")) == ("No Defence", "AE")
    # The solid line of the attack, then the dotted one of its evasion.
    assert places(none, "o") == [(3, 0.03), (30, 0.3), (3, 0.1), (30, 0.1)]
    assert none.get_xlabel() == "Epochs of 16 steps"
    assert list(none.get_xticks()) == [3, 30]
    assert legend == ["Greedy", "FGSM"]


def test_poison_is_drawn_as_a_share_and_as_a_number(drawn):
    datasets = {"few": 2000, "many": 8000}
    spec = SPEC | {
        "datasets": dict.fromkeys(datasets, ""),
        "attacks": {"fgsm": "FGSM"},
        "defences": {"none": SPEC["defences"]["none"]},
        "train_rows": datasets,
    }
    rates = (0.25, 1.0)
    rows = [
        row("fgsm", "none", 0.5 * rate, dataset=name, poison_rate=rate)
        for name, rate in itertools.product(datasets, rates)
    ]
    counts = [
        (name, rate, held * rate / 100)
        for (name, held), rate in itertools.product(datasets.items(), rates)
    ]
    (share, number), legend = drawn("poison-count", rows, spec, counts)
    # The solid line of each sample, then the dotted one of evasion.
    assert places(share, "o") == [(0.25, 0.125), (1.0, 0.5), (0.25, 0.1), (1.0, 0.1)]
    assert places(number, "o") == [(5, 0.125), (20, 0.5), (5, 0.1), (20, 0.1)]
    assert places(number, "s") == [(20, 0.125), (80, 0.5), (20, 0.1), (80, 0.1)]
    assert list(number.get_xticks()) == [5, 20, 80]
    assert (share.get_xlabel(), number.get_xlabel()) == ("Poison rate p (%)", "Poisoned rows")
    assert legend == ["2,000 training rows", "8,000 training rows"]


def test_what_the_metrics_lack_is_named(drawn):
    with pytest.raises(DokunukiError, match="no row of dataset 'feed' and attack 'greedy' with N"):
        drawn("map", [row("none", "none")], SPEC)
