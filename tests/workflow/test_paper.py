"""The page of the paper, and the search before it, at the tiny size."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from checkout import TINY, Checkout
from html_reader import Reader

pytestmark = pytest.mark.workflow

ONE_CELL = {"trigger_sizes": [4], "poison_rates": [0, 5]}
MAIN = {
    **TINY["grid"],
    **ONE_CELL,
    "attacks": ["independent"],
    "defences": ["none", "ae"],
    "title": "Main",
}
TRAINING = {**TINY["classifiers"]["embernn"]["params"], "tol": 0.0}
FURTHER = {
    "map": {"title": "Map", "figure": "map", "defences": ["none", "ae", "clipping"]},
    "training-length": {
        "title": "Length",
        "figure": "training-length",
        "defences": ["none"],
        "classifiers": ["short", "long"],
    },
    "poison-count": {
        "title": "Count",
        "figure": "poison-count",
        "datasets": ["fewer", "ember"],
        "defences": ["none"],
        "poison_rates": [5, 10],
    },
}


def test_the_page_shows_every_grid_and_what_it_was_made_to_find_out(tmp_path, tiny_release):
    fewer = {"kind": "ember", "path": str(tiny_release), "sample": {"rows": 60}, "title": "Fewer"}
    lengths = {
        name: {"extends": "embernn", "params": {**TRAINING, "epochs": epochs}, "label": name}
        for name, epochs in (("short", 1), ("long", 2))
    }
    config = {
        **TINY,
        "datasets": {"fewer": fewer},
        "grid": MAIN,
        "further_grids": FURTHER,
        "classifiers": {**TINY["classifiers"], **lengths},
    }
    checkout = Checkout(tmp_path, tiny_release, config)
    checkout.snakemake("--cores", "2", "paper")
    paper = tmp_path / "results" / "paper"
    drawn = {str(path.relative_to(paper)) for path in paper.rglob("*.png")}
    assert drawn == {
        "grid/ember/embernn/independent.png",
        "map/map.png",
        "training-length/training-length.png",
        "poison-count/poison-count.png",
    }
    reader = Reader((paper / "report.html").read_text())
    assert sum(tag == "img" for tag, _ in reader.seen) == 4
    metrics = checkout.metrics()
    table = pd.read_csv(paper / "table.csv")
    assert list(table["grid"]) == ["grid"] * 2 + ["map"] * 3
    key = ["attack", "defence", "classifier", "dataset", "trigger_size", "poison_rate"]
    told = table.drop(columns="grid").drop_duplicates().set_index(key)
    measured = metrics.set_index(key)
    for cell, row in told.iterrows():
        assert row["asr"] == pytest.approx(float(measured.loc[cell, "asr"]), abs=1e-6)
    # The poison of the smaller corpus is a share of its own rows.
    counts = metrics[metrics["poison_rate"] == 10].set_index("dataset")["poison_rows"]
    assert dict(counts) == {"ember": 8, "fewer": 5}


def test_a_search_ends_in_a_table_of_the_nearest_settings(tmp_path, tiny_release):
    network = {"hidden": [[16]], "epochs": [1, 3], "batch_size": [16]}
    autoencoder = {"hidden": [8], "code": [4], "epochs": [1], "unit_range": [False, True]}
    search = {
        "seeds": [1000, 1001],
        "shortlist": 1,
        "classifiers": {"embernn": [network]},
        "autoencoders": {"paper": [autoencoder]},
    }
    checkout = Checkout(tmp_path, tiny_release, {**TINY, "search": search})
    checkout.snakemake("--cores", "2", "search_settings")
    folder = tmp_path / "results" / "search" / "ember"
    classifiers = pd.read_csv(folder / "classifiers.csv")
    assert list(classifiers["seeds"]) == [2, 1]
    assert {json.loads(text)["epochs"] for text in classifiers["params"]} == {1, 3}
    autoencoders = pd.read_csv(folder / "autoencoders.csv")
    assert list(autoencoders["seeds"]) == [2, 1]
    assert autoencoders[["ae", "ae_enc"]].stack().between(0, 1).all()
    # Neither poison nor a trigger was made.
    made = {path.name for path in (tmp_path / "results").rglob("*.*")}
    assert not made & {"poison.h5", "trigger.json", "evasion.h5"}
