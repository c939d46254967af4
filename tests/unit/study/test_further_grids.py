"""Further grids of the same study, and samples of single corpora."""

from __future__ import annotations

import pytest

from dokunuki.errors import ConfigError
from dokunuki.study import results, samples, specs
from dokunuki.study.grid import all_grids

FURTHER = {
    "wide": {
        "title": "Wider",
        "attacks": ["independent-all", "greedy-all"],
        "defences": ["none"],
        "trigger_sizes": [128],
        "poison_rates": [20],
        "fixed_trigger_size": 128,
    },
}


def _runs(config):
    return {
        (run["seed"], run["attack"], run["trigger_size"], run["poison_rate"], run["defence"])
        for run in results.grid_runs(config)
    }


def test_a_further_grid_is_as_the_grid_where_it_says_nothing(configured):
    config = configured(further_grids=FURTHER)
    wide = config["further_grids"]["wide"]
    assert wide["seeds"] == config["grid"]["seeds"]
    assert wide["classifiers"] == config["grid"]["classifiers"]
    assert list(all_grids(config)) == ["grid", "further_grids.wide"]


def test_runs_of_all_grids_are_collected_and_shared_ones_once(configured):
    alone = _runs(configured())
    config = configured(further_grids=FURTHER)
    both = _runs(config)
    assert alone < both
    fixed = config["grid"]["fixed_poison_rate"]
    assert {(128, 20.0), (128, fixed)} <= {run[2:4] for run in both - alone}
    assert len(results.grid_runs(config)) == len(both)


def test_a_grid_that_adds_nothing_adds_no_run(configured):
    alone = results.grid_runs(configured())
    assert results.grid_runs(configured(further_grids={"again": {}})) == alone


def test_triggers_are_as_long_and_rates_as_high_as_the_grids_of_their_attack_need(configured):
    config = configured(further_grids=FURTHER)
    assert specs.attack_spec(config, "independent-all")["size"] == 128
    assert specs.attack_spec(config, "independent-all")["rate"] == 20
    assert specs.attack_spec(config, "fgsm-flip")["size"] == 64
    assert specs.attack_spec(config, "fgsm-flip")["rate"] == 10


def test_a_trigger_meets_the_unpoisoned_detectors_of_its_own_grids(configured):
    further = {"wide": {**FURTHER["wide"], "attacks": ["independent-all"], "seeds": [7]}}
    config = configured(further_grids=further)
    spec = specs.evasion_spec(config, "simulated", 7, "independent-all")
    assert [detector["defence"]["name"] for detector in spec["detectors"]] == ["none"]
    assert spec["sizes"] == [128]
    assert specs.evasion_detectors(config, "simulated", 0, "independent-all") == []
    assert "results/simulated/seed-7/attacks/independent-all/trigger.json" in (
        results.trigger_files(config)
    )


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"attacks": ["indpendent"]}, r"further_grids\.x\.attacks: unknown attack 'indpendent'"),
        ({"seeds": []}, r"further_grids\.x\.seeds: \[\] should be non-empty"),
        ({"sizes": [1]}, r"further_grids\.x\.\(top level\): .*'sizes' was unexpected"),
        ({"trigger_sizes": [99]}, r"further_grids\.x\.trigger_sizes: a trigger of 99 features"),
    ],
)
def test_a_mistake_in_a_further_grid_is_named(configured, entry, message):
    grid = {"attacks": ["independent"], "trigger_sizes": [8], "fixed_trigger_size": 8, **entry}
    with pytest.raises(ConfigError, match=message):
        configured(further_grids={"x": grid})


def test_a_corpus_may_have_a_sample_of_its_own(configured):
    config = configured(datasets={"simulated": {"kind": "simulated", "sample": {"rows": 400}}})
    expected = dict(sorted({**config["sample"], "rows": 400}.items()))
    assert samples.sample_spec(config, "simulated") == expected
    assert list(samples.sample_spec(config, "simulated")) == sorted(expected)
    keys = ("validation_malware", "calibration_rows", "clean_rows")
    others = sum(config["sample"][key] for key in keys)
    assert samples.sample_rows(config, "simulated") == 400 + others


def test_a_sample_of_its_own_that_cannot_be_halved_is_named(configured):
    with pytest.raises(ConfigError, match=r"datasets\.simulated\.sample: rows and rows x test"):
        configured(datasets={"simulated": {"kind": "simulated", "sample": {"rows": 402}}})


def test_settings_are_not_searched_on_the_rows_of_the_grid(configured):
    search = {"seeds": [5, 0], "classifiers": {"embernn": {"dropout": [0.2]}}}
    with pytest.raises(ConfigError, match=r"search\.seeds: the rows of seed 0 are those of"):
        configured(search=search)
