import pytest
import yaml

from checkout import REPOSITORY
from dokunuki.study.configuration import load_config
from dokunuki.study.results import benchmark_study, grid_runs, titles


@pytest.fixture
def config():
    raw = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
    raw["grid"] |= {
        "attacks": ["fgsm-flip"],
        "defences": ["none", "mdr-cross-examination"],
        "classifiers": ["embernn", "lightgbm"],
        "restricted": {"lightgbm": ["none"]},
        "seeds": [5],
        "trigger_sizes": [8],
        "poison_rates": [0, 4],
        "fixed_trigger_size": 8,
        "fixed_poison_rate": 4,
    }
    raw["datasets"]["simulated"]["title"] = "Made up"
    return load_config(raw, REPOSITORY / "workflow")


def test_every_run_of_the_grid_has_its_files(config):
    runs = grid_runs(config)
    assert [(run["cell"], run["defence"], run["classifier"]) for run in runs] == [
        (cell, *defended)
        for cell in ("unpoisoned", "fgsm-flip-n008-p0400", "fgsm-flip-n008-p0000")
        for defended in (
            ("none", "embernn"),
            ("none", "lightgbm"),
            ("mdr-cross-examination", "embernn"),
        )
    ]
    unpoisoned, poisoned, evasion = runs[0], runs[3], runs[6]
    folder = "results/simulated/seed-5"
    assert unpoisoned["scores"] == f"{folder}/unpoisoned/none/embernn/scores.h5"
    assert unpoisoned["evasion"] is None
    assert unpoisoned["cost"] == f"{folder}/unpoisoned/none/embernn/cost.json"
    assert poisoned["scores"] == f"{folder}/fgsm-flip-n008-p0400/none/embernn/scores.h5"
    assert poisoned["evasion"] == f"{folder}/attacks/fgsm-flip/evasion.h5"
    # At p = 0 the trigger meets the unpoisoned detector, and nothing is trained.
    assert evasion["scores"] == unpoisoned["scores"]
    assert evasion["cost"] is None
    assert (evasion["trigger_size"], evasion["poison_rate"]) == (8, 0.0)


def test_titles_are_labels_or_names(config):
    config["attacks"]["fgsm-flip"]["label"] = None
    named = titles(config)
    assert named["attacks"] == {"fgsm-flip": "fgsm-flip"}
    assert named["defences"]["none"] == "No Defence"
    assert named["datasets"] == {"simulated": "Made up"}


def test_a_study_says_what_is_simulated_and_what_each_defence_is_made_of(config):
    study = benchmark_study(config)
    assert study["datasets"] == {"simulated": "Made up (simulated corpus)"}
    both = study["defences"]["mdr-cross-examination"]
    assert [step["class"].rpartition(".")[2] for step in both["steps"]] == [
        "MDR",
        "CrossExamination",
    ]
    assert "region" not in both["ledger"]
    assert study["cells"] == [["fgsm-flip", 8, 4.0], ["fgsm-flip", 8, 0.0]]
    assert study["restricted"] == {"lightgbm": ["none"]}
