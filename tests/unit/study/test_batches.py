"""Which seeds share a job: every run of the grid is asked for in one way, whatever the paths."""

from __future__ import annotations

import re

import pytest
import yaml

from checkout import REPOSITORY
from dokunuki.errors import ConfigError
from dokunuki.study.batches import (
    alone,
    autoencoders_pattern,
    row_choices_pattern,
    seed_batches,
    together,
    unpoisoned_pattern,
    victims_pattern,
)
from dokunuki.study.configuration import load_config
from dokunuki.study.results import grid_runs

GRID = {
    "attacks": ["fgsm-flip"],
    "defences": ["none", "deletion", "deletion-settable", "ae", "ae-enc", "ae-linear", "mdr"],
    "classifiers": ["embernn", "lightgbm"],
    "restricted": {"lightgbm": ["none"]},
    "trigger_sizes": [8],
    "poison_rates": [0, 4],
    "fixed_trigger_size": 8,
    "fixed_poison_rate": 4,
}


def configured(seeds, size):
    raw = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
    raw["grid"] |= {**GRID, "seeds": seeds}
    return load_config({**raw, "compute": {"seeds_a_job": size}}, REPOSITORY / "workflow")


@pytest.mark.promise(5)
@pytest.mark.parametrize(
    ("seeds", "size", "batches"),
    [
        ([0, 1, 2, 3, 4], 1, []),
        ([0, 1, 2, 3, 4], 5, [[0, 1, 2, 3, 4]]),
        ([0, 1, 2, 3, 4], 2, [[0, 1], [2, 3]]),  # the last has a job of its own
        ([7, 3, 5], 2, [[7, 3]]),
        ([0], 5, []),
    ],
)
def test_seeds_share_jobs_in_the_order_of_the_grid(seeds, size, batches):
    assert seed_batches(configured(seeds, size)) == batches


@pytest.mark.promise(1)
def test_a_seed_that_is_added_at_the_end_leaves_full_batches_as_they_are():
    before, after = (seed_batches(configured(list(range(n)), 2)) for n in (4, 5))
    assert before == after


def takers(config, path):
    """The batches whose constraint a path fulfils; an empty one for the rule of single runs."""
    if "/autoencoders/" in path:
        runs = autoencoders_pattern(config)
    elif "/row-choices/" in path:
        runs = row_choices_pattern(config)
    else:
        runs = unpoisoned_pattern(config) if "/unpoisoned/" in path else victims_pattern(config)
    constraints = {(): alone(config, runs)}
    constraints |= {tuple(batch): together(config, runs, batch) for batch in seed_batches(config)}
    return [
        seeds
        for seeds, dataset in constraints.items()
        if re.match(rf"(?:{dataset})/seed-\d+/[^/]+/[^/]+/[^/]+", path)
    ]


@pytest.mark.parametrize("size", [1, 2, 5])
def test_every_run_of_the_grid_has_one_rule_that_makes_it(size):
    config = configured([10, 1, 0, 4, 11], size)
    batches = {seed: tuple(batch) for batch in seed_batches(config) for seed in batch}
    runs = {run["scores"].removeprefix("results/"): run["seed"] for run in grid_runs(config)}
    assert len(runs) == 5 * 2 * 8
    runs |= {
        f"simulated/seed-{seed}/{cell}/autoencoders/{name}.{suffix}": seed
        for seed in config["grid"]["seeds"]
        for cell in ("unpoisoned", "fgsm-flip-n008-p0400")
        for name in ("paper", "linear")
        for suffix in ("safetensors", "cost.json")
    }
    runs |= {
        f"simulated/seed-{seed}/{cell}/row-choices/mdr.{suffix}": seed
        for seed in config["grid"]["seeds"]
        for cell in ("unpoisoned", "fgsm-flip-n008-p0400")
        for suffix in ("h5", "cost.json")
    }
    for path, seed in runs.items():
        assert takers(config, path) == [batches.get(seed, ())]


@pytest.mark.parametrize(
    "path",
    [
        "simulated/seed-2/fgsm-flip-n008-p0400/none/embernn/",  # another seed
        "simulated/seed-10/fgsm-flip-n008-p0400/none/embernn/",  # one that starts with a seed
        "simulated/seed-0/fgsm-flip-n004-p0400/none/embernn/",  # another N
        "simulated/seed-0/fgsm-flip-n008-p0400/deletion/lightgbm/",  # restricted
        "simulated/seed-0/unpoisoned/mixup/embernn/",  # another defence
        "simulated/seed-0/unpoisoned/autoencoders/masking.safetensors",  # another autoencoder
        "simulated/seed-0/unpoisoned/row-choices/hdbscan.h5",  # of another defence
        "ember/seed-0/unpoisoned/none/embernn/",  # another dataset
    ],
)
def test_what_the_grid_does_not_ask_for_is_trained_alone(path):
    config = configured([0, 1], 2)
    config["datasets"].setdefault("ember", {})
    assert takers(config, path) == [()]


def test_a_grid_without_autoencoders_trains_none_together():
    config = configured([0, 1], 2)
    config["grid"]["defences"] = ["none", "deletion"]
    assert takers(config, "simulated/seed-0/unpoisoned/autoencoders/paper.safetensors") == [()]


def test_a_grid_whose_defences_choose_no_rows_chooses_none_together():
    config = configured([0, 1], 2)
    config["grid"]["defences"] = ["none", "ae"]
    assert takers(config, "simulated/seed-0/unpoisoned/row-choices/mdr.h5") == [()]


def test_there_is_at_least_one_seed_a_job():
    with pytest.raises(ConfigError, match="seeds_a_job"):
        configured([0], 0)
