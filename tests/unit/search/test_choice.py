"""The choice by distance to the paper's clean accuracies."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from dokunuki.errors import DokunukiError
from dokunuki.search.choice import (
    PAPER_ACCURACY,
    choice_table,
    chosen_spec,
    distance,
    shortlist,
    shortlisted,
    write_choice,
    write_shortlist,
)
from dokunuki.search.trials import write_result


def _result(rate, none, deletion, seed=0):
    spec = {"name": "net", "class": "a.Net", "params": {"rate": rate}}
    return {
        "spec": spec, "seed": seed, "status": "ok",
        "none": none, "deletion": deletion, "loss": 0.1, "epochs": 5,
    }  # fmt: skip


def _diverged(rate):
    result = _result(rate, 0, 0)
    return {**{key: result[key] for key in ("spec", "seed")}, "status": "diverged"}


def test_the_distance_is_the_root_mean_square_of_the_distances():
    assert distance(PAPER_ACCURACY) == 0
    assert distance({"none": 0.97, "deletion": 0.86}) == pytest.approx(0.04 / 2**0.5)
    assert distance({"none": 1.0, "deletion": 0.86}) == pytest.approx(0.05 / 2**0.5)


@pytest.mark.parametrize(("above", "away"), [(-0.01, 0.01), (0.0, 0.0), (0.02, 0.0), (0.05, 0.03)])
def test_ae_enc_is_wanted_slightly_above_ae(above, away):
    assert distance({"ae": 0.93, "ae_enc": 0.93 + above}) == pytest.approx(away / 2**0.5)


def test_the_nearest_on_all_seeds_comes_first_and_what_diverged_last():
    results = [
        _diverged(9),
        _result(1, 0.97, 0.90),  # the nearest, but on one seed alone
        *(_result(2, none, 0.90, seed) for seed, none in enumerate((0.95, 0.97))),
        # 0.97 on the average, of seeds that are all far away.
        *(_result(3, none, 0.90, seed) for seed, none in enumerate((0.92, 1.02))),
    ]
    table = choice_table("classifiers", results)
    assert [json.loads(params)["rate"] for params in table["params"]] == [2, 3, 1, 9]
    assert table["seeds"].tolist() == [2, 2, 1, 1]
    # The seeds lie 0.02 / sqrt 2 and 0 away.
    assert table["distance"][0] == pytest.approx(0.01)
    assert table["none"][0] == pytest.approx(0.96)
    assert table["none_sd"][0] == pytest.approx(0.02 / 2**0.5)
    assert table["status"].tolist() == ["ok", "ok", "ok", "diverged"]
    assert pd.isna(table["distance"][3])


def test_the_shortlist_holds_the_nearest_in_order(tmp_path):
    results = [_result(1, 0.97, 0.95), _result(2, 0.97, 0.91), _diverged(3), _result(4, 0.97, 0.9)]
    assert [spec["params"]["rate"] for spec in shortlist("classifiers", results, 2)] == [4, 2]
    files = []
    for number, result in enumerate(results):
        files.append(tmp_path / f"{number}.json")
        write_result(files[-1], result)
    write_shortlist(tmp_path / "shortlist.json", "classifiers", files, 3)
    assert shortlisted(tmp_path / "shortlist.json", 1) == results[1]["spec"]
    write_choice(tmp_path / "table.csv", "classifiers", files)
    spec = {"name": "net", "class": "a.Net", "params": {}}
    assert chosen_spec(tmp_path / "table.csv", {"net": spec}) == results[3]["spec"]


def test_nothing_is_chosen_where_all_diverged(tmp_path):
    write_result(tmp_path / "0.json", _diverged(1))
    write_choice(tmp_path / "table.csv", "classifiers", [tmp_path / "0.json"])
    with pytest.raises(
        DokunukiError, match=r"table\.csv: every setting diverged in training; lower"
    ):
        chosen_spec(tmp_path / "table.csv", {})
