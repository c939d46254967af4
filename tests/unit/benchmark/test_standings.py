from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from dokunuki.benchmark.standings import Ledger, build_cells, build_standings, study_of
from dokunuki.errors import DokunukiError
from dokunuki.evaluation.comparisons import compare
from dokunuki.evaluation.summary import t_interval

STUDY = {
    "datasets": {"feed": "Feed (simulated corpus)"},
    "attacks": {
        "greedy": {"label": "Greedy"},
        "fgsm": {"label": "FGSM", "adaptive_to": "ae"},
        "badnets": {"label": "BadNets", "loud": True},
    },
    "defences": {
        "none": {"label": "No Defence"},
        "ae": {"label": "AE", "family": "representation"},
        "spectral": {
            "label": "Spectral",
            "family": "filter",
            "ledger": {"poison_rate": "assumed 4 %", "tuned_on": "nothing"},
        },
        "mine": {"label": "Mine", "tier": "ours", "family": "training"},
        "oracle": {
            "label": "Oracle",
            "tier": "bound",
            "family": "filter",
            "ledger": {"poison": True},
        },
    },
    "classifiers": {"net": "Net", "trees": "Trees"},
    "seeds": [0, 1],
    "cells": [["greedy", 8, 4.0], ["greedy", 8, 0.0], ["fgsm", 8, 4.0], ["badnets", 8, 4.0]],
    "restricted": {"trees": ["none", "ae"]},
    "not_applicable": {"trees": {"mine": "needs gradients"}},
}
CELLS = [("none", 0, 0.0), *map(tuple, STUDY["cells"])]
# Mean ASR under greedy, FGSM and BadNets, and accuracy; two seeds lie 0.02 around the first three.
RESULTS = {
    "none": (0.80, 0.90, 0.99, 0.960),
    "ae": (0.30, 0.40, 0.50, 0.950),
    "spectral": (0.20, 0.20, 0.10, 0.940),
    "mine": (0.10, 0.40, 0.30, 0.950),
    "oracle": (0.05, 0.05, 0.05, 0.950),
}


def metric_row(seed, cell, defence, classifier="net", **changes):
    attack, size, rate = cell
    *asr, accuracy = RESULTS[defence]
    row = {
        "dataset": "feed",
        "corpus": "simulated",
        "seed": seed,
        "attack": attack,
        "trigger_size": size,
        "poison_rate": rate,
        "defence": defence,
        "classifier": classifier,
        "status": "ok",
        "test_rows": 240,
        "accuracy": accuracy,
        "asr": math.nan,
    }
    if attack != "none":
        mean = asr[["greedy", "fgsm", "badnets"].index(attack)] if rate else 0.01
        row["asr"] = mean + (0.02 if seed else -0.02) * (defence != "none") * bool(rate)
    if defence in ("spectral", "oracle") and rate:
        row |= {"poison_recall": 0.9, "poison_precision": 0.5}
    if defence in ("spectral", "oracle"):
        row |= {"removed_rows": 40, "goodware_removed": 0.1}
    return row | changes


def metric_rows():
    return [
        metric_row(seed, cell, defence, classifier)
        for classifier, defences in (("net", RESULTS), ("trees", ("none", "ae")))
        for cell in CELLS
        for defence in defences
        for seed in (0, 1)
    ]


def timing_rows(rows):
    key = ("dataset", "seed", "attack", "trigger_size", "poison_rate", "defence", "classifier")
    cost = {"seconds_defence": 1.0, "seconds_training": 2.0, "seconds_scoring": 0.5}
    return [
        {name: row[name] for name in key} | cost | {"peak_memory_mib": 300.0 + 100 * row["seed"]}
        for row in rows
        if row["poison_rate"] or row["attack"] == "none"
    ]


def built(rows, **changes):
    study = study_of(STUDY | changes)
    metrics = pd.DataFrame(rows)
    cells = build_cells(metrics, pd.DataFrame(timing_rows(rows)), study)
    return cells, build_standings(cells, metrics, study)


def cell_of(cells, attack, defence, classifier="net", rate=4.0):
    at = cells["attack"].eq(attack) & cells["defence"].eq(defence)
    at &= cells["classifier"].eq(classifier) & cells["poison_rate"].eq(rate)
    (row,) = cells[at].to_dict("records")
    return row


def standing_of(standings, defence, classifier="net"):
    at = standings["defence"].eq(defence) & standings["classifier"].eq(classifier)
    (row,) = standings[at].to_dict("records")
    return row


def change(rows, defence, attack, **values):
    """Rows with other values where `defence` meets `attack` at p > 0, or has no attack."""
    return [
        row | values
        if (row["defence"], row["attack"]) == (defence, attack)
        and (row["poison_rate"] or attack == "none")
        else row
        for row in rows
    ]


@pytest.mark.promise(6)
def test_every_cell_of_the_study_has_one_row_and_a_status():
    cells, standings = built(metric_rows())
    assert len(cells) == 2 * len(CELLS) * len(RESULTS)
    assert not cells.duplicated(["classifier", "attack", "poison_rate", "defence"]).any()
    assert (cells["status"] != "").all()
    assert len(standings) == 2 * len(RESULTS)
    assert cell_of(cells, "fgsm", "ae", "trees")["status"] == "ok"
    compared = "not run: Trees is compared with No Defence, AE only"
    assert cell_of(cells, "fgsm", "spectral", "trees")["status"] == compared
    assert standing_of(standings, "spectral", "trees")["rank"] == compared
    assert cell_of(cells, "fgsm", "mine", "trees")["status"] == "not applicable: needs gradients"
    assert not standing_of(standings, "mine", "trees")["run"]


def test_lost_and_diverged_seeds_are_told_apart():
    rows = [row for row in metric_rows() if (row["attack"], row["defence"]) != ("fgsm", "ae")]
    rows = change(rows, "mine", "greedy", status="diverged", asr=math.nan, accuracy=math.nan)
    one = metric_row(1, ("fgsm", 8, 4.0), "none")
    rows = [row for row in rows if row != one]
    place = rows.index(metric_row(0, ("badnets", 8, 4.0), "none"))
    rows[place] |= {"status": "diverged", "asr": math.nan}
    cells, standings = built(rows)
    assert cell_of(cells, "fgsm", "ae")["status"] == "not run: no row in metrics.csv"
    assert cell_of(cells, "greedy", "mine")["status"] == "diverged: 2 diverged, of 2 seeds"
    assert cell_of(cells, "fgsm", "none")["status"] == "ok: 1 of 2 seeds, 1 not run"
    assert cell_of(cells, "badnets", "none")["status"] == "ok: 1 of 2 seeds, 1 diverged"
    lacking = "not ranked: a result in 1 of 2 attacked cells"
    assert standing_of(standings, "mine")["rank"] == lacking
    assert standing_of(standings, "ae")["rank"] == lacking
    assert standing_of(standings, "none")["rank"] == "2"


def test_a_row_that_the_grid_does_not_ask_for_is_an_error():
    rows = [*metric_rows(), metric_row(0, ("greedy", 16, 4.0), "ae")]
    with pytest.raises(DokunukiError, match=r"not in the grid.*16"):
        built(rows)
    with pytest.raises(DokunukiError, match="not in the grid"):
        built([*metric_rows(), metric_row(7, ("greedy", 8, 4.0), "ae")])


def test_means_intervals_and_cost_are_those_over_seeds():
    cells, standings = built(metric_rows())
    row = cell_of(cells, "greedy", "ae")
    mean, half = t_interval([0.28, 0.32])
    assert (row["asr_mean"], row["asr_half"]) == (pytest.approx(mean), pytest.approx(half))
    assert (row["seconds_training_mean"], row["peak_memory_mib"], row["trainings"]) == (2, 400, 2)
    # At p = 0 nothing is trained, and what the table has no column for is empty.
    evasion = cell_of(cells, "greedy", "ae", rate=0.0)
    assert evasion["trainings"] == 0
    assert math.isnan(evasion["seconds_training_mean"])
    assert math.isnan(row["asr_at_1_mean"])
    assert row["certificate"] == ""
    assert row["test_goodware"] == 120
    standing = standing_of(standings, "ae")
    assert (standing["trainings"], standing["seconds_training"]) == (8, pytest.approx(2))


def test_one_seed_has_no_interval_and_no_test():
    rows = [row for row in metric_rows() if row["seed"] == 0]
    cells, standings = built(rows, seeds=[0])
    row = cell_of(cells, "greedy", "ae")
    assert row["status"] == "ok"
    assert row["asr_difference"] == pytest.approx(0.28 - 0.80)
    assert math.isnan(row["asr_half"])
    assert math.isnan(row["asr_p_holm"])
    assert standing_of(standings, "mine")["rank"] == "2="


def test_defences_are_paired_with_no_defence_by_seed():
    rows = metric_rows()
    for row in rows:
        # The seed moves both alike, far more than they differ.
        row["asr"] = min(1.0, row["asr"] / 2 + 0.4 * row["seed"])
    cells, _ = built(rows)
    expected = compare([0.14 - 0.40, 0.56 - 0.80])
    found = cell_of(cells, "greedy", "ae")
    assert found["asr_difference"] == pytest.approx(expected.mean)
    assert found["asr_difference_half"] == pytest.approx(expected.half)
    assert found["asr_p"] == pytest.approx(expected.p)
    assert found["asr_test"] == "t"
    assert math.isnan(cell_of(cells, "greedy", "none")["asr_difference"])
    assert math.isnan(cell_of(cells, "greedy", "ae", rate=0.0)["asr_difference"])
    # Without attack there is accuracy to compare, the same in both seeds.
    clean = cell_of(cells, "none", "ae", rate=0.0)
    assert clean["accuracy_difference"] == pytest.approx(-0.01)
    assert (clean["accuracy_p"], clean["accuracy_test"]) == (0.5, "sign")


def test_all_comparisons_of_a_run_are_one_family():
    cells, _ = built(metric_rows())
    known = pd.concat([cells["asr_p"], cells["accuracy_p"]]).dropna()
    # Four defences with the network, one with the trees; three attacked cells have an ASR, and one
    # more has an accuracy.
    assert len(known) == 5 * (3 + 4)
    place = known.to_numpy().argmin()
    corrected = pd.concat([cells["asr_p_holm"], cells["accuracy_p_holm"]]).dropna()
    assert corrected.iloc[place] == pytest.approx(min(1, known.iloc[place] * len(known)))


def test_the_order_is_by_worst_case_then_accuracy_with_ties():
    _, standings = built(metric_rows())
    net = standings[standings["classifier"] == "net"]
    # Worst without the loud control: 0.20, then AE and Mine at 0.40 with equal accuracy, then 0.90.
    ranks = dict(zip(net["defence"], net["rank"], strict=True))
    assert ranks == {"spectral": "1", "ae": "2=", "mine": "2=", "none": "4", "oracle": "bound"}
    assert list(net["defence"]) == ["spectral", "ae", "none", "mine", "oracle"]
    worst = standing_of(standings, "ae")
    assert (worst["worst_attack"], worst["worst_asr"]) == ("fgsm", pytest.approx(0.40))
    assert worst["loud_asr"] == pytest.approx(0.50)
    _, standings = built(change(metric_rows(), "mine", "none", accuracy=0.9514))
    assert standing_of(standings, "mine")["rank"] == "2"
    assert standing_of(standings, "ae")["rank"] == "3"
    # What is printed alike is a tie.
    _, standings = built(change(metric_rows(), "mine", "none", accuracy=0.9502))
    assert standing_of(standings, "mine")["rank"] == "2="


def test_the_loud_control_alone_orders_nothing():
    rows = [row for row in metric_rows() if row["attack"] in ("none", "badnets")]
    _, standings = built(rows, cells=[["badnets", 8, 4.0]])
    assert standing_of(standings, "ae")["rank"] == "not ranked: no attack but the loud control"


def poisoning(greedy, fgsm):
    """Rows whose attacks cause so much without a defence, which changes no ASR."""
    caused = {"greedy": greedy, "fgsm": fgsm, "badnets": 0.9}
    return [row | {"delta_asr": caused.get(row["attack"])} for row in metric_rows()]


def test_an_attack_that_hardly_poisons_counts_for_no_worst_case():
    # AE is worst under FGSM, at 0.40, and Spectral at 0.20 under both.
    _, standings = built(poisoning(greedy=0.7, fgsm=0.19))
    worst = {name: standing_of(standings, name) for name in ("spectral", "mine", "ae", "none")}
    assert {row["worst_attack"] for row in worst.values()} == {"greedy"}
    assert [row["rank"] for row in worst.values()] == ["2", "1", "3", "4"]
    assert {row["cells"] for row in worst.values()} == {1}
    # Intervals are over the attack that is left, so that the order of means is certain.
    assert [(row["rank_low"], row["rank_high"]) for row in worst.values()] == [
        (2, 2),
        (1, 1),
        (3, 3),
        (4, 4),
    ]
    assert standing_of(built(poisoning(greedy=0.7, fgsm=0.2))[1], "ae")["worst_attack"] == "fgsm"


def test_where_no_attack_poisons_all_of_them_count():
    _, standings = built(poisoning(greedy=0.1, fgsm=0.1))
    assert standing_of(standings, "ae")["worst_attack"] == "fgsm"
    # Each classifier by itself.
    rows = [
        row
        | ({"delta_asr": 0.6} if (row["classifier"], row["attack"]) == ("trees", "greedy") else {})
        for row in poisoning(greedy=0.1, fgsm=0.1)
    ]
    _, standings = built(rows)
    worst = [standing_of(standings, "ae", name)["worst_attack"] for name in ("net", "trees")]
    assert worst == ["fgsm", "greedy"]


def test_a_filter_that_misses_the_loud_control_has_no_rank():
    cells, standings = built(change(metric_rows(), "spectral", "badnets", poison_recall=0.59))
    why = (
        "port not validated: it finds 59 % of the loud control's poison "
        "and removes 10 % of the goodware"
    )
    assert standing_of(standings, "spectral")["rank"] == why
    assert math.isnan(standing_of(standings, "spectral")["place"])
    assert cell_of(cells, "greedy", "spectral")["status"] == why
    assert cell_of(cells, "greedy", "ae")["status"] == "ok"
    assert standing_of(standings, "ae")["rank"] == "1="
    # Recall elsewhere neither saves nor costs it its rank.
    _, standings = built(change(metric_rows(), "spectral", "greedy", poison_recall=0.1))
    assert standing_of(standings, "spectral")["rank"] == "1"
    _, standings = built(change(metric_rows(), "spectral", "badnets", poison_recall=0.61))
    assert standing_of(standings, "spectral")["rank"] == "1"


def test_a_filter_that_removes_half_of_everything_has_found_nothing():
    rows = change(metric_rows(), "spectral", "badnets", poison_recall=0.9, goodware_removed=0.45)
    assert "removes 45 % of the goodware" in standing_of(built(rows)[1], "spectral")["rank"]


def test_the_gate_is_for_ports_of_any_family_but_not_for_bounds_and_what_is_ours():
    rows = change(metric_rows(), "oracle", "badnets", poison_recall=0.0)
    for name in ("mine", "ae"):
        rows = change(rows, name, "badnets", poison_recall=0.2, removed_rows=9)
    _, standings = built(rows)
    assert standing_of(standings, "oracle")["rank"] == "bound"
    assert standing_of(standings, "ae")["rank"].startswith("port not validated: it finds 20 %")
    assert standing_of(standings, "mine")["rank"] == "2"


def test_a_filter_without_a_loud_control_is_not_validated():
    rows = [row for row in metric_rows() if row["attack"] != "badnets"]
    attacks = {name: STUDY["attacks"][name] for name in ("greedy", "fgsm")}
    _, standings = built(rows, attacks=attacks, cells=STUDY["cells"][:3])
    rank = standing_of(standings, "spectral")["rank"]
    assert rank == "port not validated: the grid has no loud control"
    rows = change(metric_rows(), "spectral", "badnets", status="diverged", poison_recall=math.nan)
    _, standings = built(rows)
    rank = standing_of(standings, "spectral")["rank"]
    assert rank == "port not validated: no recall on the loud control"


def test_the_ledger_is_one_line():
    assert Ledger().told() == "nothing"
    regions = ("non_hashed", "undefended")
    ledger = Ledger(True, True, "assumed 4 %", "8", True, "sample rows", regions)
    assert ledger.told() == (
        "clean rows; which rows are poison; p: assumed 4 %; N: 8; a trigger within the non-hashed "
        "columns or the byte histograms; the target class; tuned on sample rows"
    )
    cells, standings = built(metric_rows())
    assert cell_of(cells, "fgsm", "spectral")["told"] == "p: assumed 4 %"
    assert standing_of(standings, "oracle")["told"] == "which rows are poison"


@pytest.mark.parametrize(
    ("steps", "regions"),
    [
        ([("deletion.Deletion", {})], ("all",)),
        ([("deletion.Deletion", {"region": "non_hashed"})], ("non_hashed",)),
        ([("autoencoder.AutoencoderCode", {})], ("all",)),
        ([("cross_examination.CrossExamination", {"hide": ["all", "undefended"]})], None),
        ([("mdr.MDR", {}), ("deletion.Deletion", {"region": "feasible"})], None),
        ([("mixup.Mixup", {})], ()),
        ([], ()),
    ],
)
def test_the_region_that_a_defence_assumes_is_what_its_parameters_say(steps, regions):
    listed = [{"class": f"dokunuki.defences.{path}", "params": given} for path, given in steps]
    study = study_of({**STUDY, "defences": {"x": {"label": "X", "steps": listed}}})
    several = {1: ("all", "undefended"), 2: ("non_hashed", "feasible")}[len(steps) or 1]
    assert study.defences["x"].ledger.regions == (several if regions is None else regions)


def test_ranks_have_intervals_where_there_are_seeds_and_a_rank():
    _, standings = built(metric_rows())
    ends = standings[["rank_low", "rank_high"]].to_numpy()
    ranked = standings["place"].notna().to_numpy()
    assert np.isnan(ends[~ranked]).all()
    # Spectral is lowest under both attacks; AE and Mine differ under Greedy alone.
    net = {name: standing_of(standings, name) for name in ("spectral", "ae", "mine", "none")}
    assert {name: (row["rank_low"], row["rank_high"]) for name, row in net.items()} == {
        "spectral": (1, 2),
        "ae": (2, 3),
        "mine": (1, 2),
        "none": (4, 4),
    }
    _, alone = built([row for row in metric_rows() if row["seed"] == 0], seeds=[0])
    assert alone["rank_low"].isna().all()
    # No other defence's row, and not the order of rows, changes an interval's draws.
    _, again = built(metric_rows()[::-1])
    pd.testing.assert_frame_equal(standings, again)


def test_the_mean_of_what_poison_caused_leaves_out_the_loud_control():
    rows = [
        row | {"delta_asr": {"greedy": 0.2, "fgsm": 0.4, "badnets": 0.9}.get(row["attack"])}
        for row in metric_rows()
    ]
    assert standing_of(built(rows)[1], "ae")["mean_delta_asr"] == pytest.approx(0.3)
    assert math.isnan(standing_of(built(metric_rows())[1], "ae")["mean_delta_asr"])


def test_an_attack_flips_labels_as_its_class_says():
    split = "dokunuki.attacks.split_adaptive.SplitAutoencoderAdaptive"
    attacks = {
        "greedy": {"label": "Greedy"},
        "clean": {"label": "Clean", "class": split, "params": {}},
        "flip": {"label": "Flip", "class": split, "params": {"label_flip": True}},
    }
    found = study_of({**STUDY, "attacks": attacks}).attacks
    assert [found[name].flips for name in attacks] == [None, False, True]
