"""What a study comes to: a row of the tables for each run, where its files lie, and its titles."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from dokunuki.study.datasets import corpus_of
from dokunuki.study.grid import UNPOISONED, Cell, all_grids, defended_classifiers, grid_cells
from dokunuki.study.keys import NO_ATTACK
from dokunuki.study.samples import sample_spec
from dokunuki.study.specs import defence_spec, part_spec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dokunuki.study.configuration import Config

KINDS = ("datasets", "attacks", "classifiers", "defences")


def run_files(
    dataset: str, seed: int, cell: Cell | None, defence: str, classifier: str
) -> dict[str, str | None]:
    """Where a run's scores are and what it took to train its detector, by role.

    `cell` None is the one without attack. At p = 0 it is the unpoisoned detector that the trigger
    meets: nothing is trained, and there is no cost.
    """
    folder = f"results/{dataset}/seed-{seed}"
    trained = cell.id if cell is not None and cell.rate else UNPOISONED
    result = f"{folder}/{trained}/{defence}/{classifier}"
    is_trained = cell is None or bool(cell.rate)
    return {
        "scores": f"{result}/scores.h5",
        "evasion": f"{folder}/attacks/{cell.attack}/evasion.h5" if cell is not None else None,
        "cost": f"{result}/cost.json" if is_trained else None,
    }


def trigger_files(config: Config) -> list[str]:
    """The triggers of all grids, each once, in the order of the grids."""
    files = (
        f"results/{dataset}/seed-{seed}/attacks/{attack}/trigger.json"
        for grid in all_grids(config).values()
        for dataset in grid["datasets"]
        for seed in grid["seeds"]
        for attack in grid["attacks"]
    )
    return list(dict.fromkeys(files))


def grid_runs(config: Config) -> list[dict[str, Any]]:
    """One entry per row of the metrics table, as plain values, in the order of the grids.

    What several grids hold comes once.
    """
    runs = [run for grid in all_grids(config).values() for run in _runs(config, grid)]
    return list({(run["scores"], run["attack"], run["trigger_size"]): run for run in runs}.values())


def _runs(config: Config, grid: Mapping[str, Any]) -> list[dict[str, Any]]:
    cells: list[Cell | None] = [None, *grid_cells(grid).values()]
    return [
        {
            "dataset": dataset,
            "corpus": corpus_of(config, dataset),
            "seed": seed,
            "defence": defence,
            "classifier": classifier,
            "cell": UNPOISONED if cell is None else cell.id,
            "attack": NO_ATTACK if cell is None else cell.attack,
            "trigger_size": 0 if cell is None else cell.size,
            "poison_rate": 0.0 if cell is None else float(cell.rate),
            **run_files(dataset, seed, cell, defence, classifier),
        }
        for dataset in grid["datasets"]
        for seed in grid["seeds"]
        for cell in cells
        for defence, classifier in defended_classifiers(grid)
    ]


def titles(config: Config, grid: Mapping[str, Any] | None = None) -> dict[str, dict[str, str]]:
    """How figures and tables call things, by section and name: those of a grid, or of all."""
    grids = all_grids(config).values() if grid is None else [grid]
    named = {kind: dict.fromkeys(name for held in grids for name in held[kind]) for kind in KINDS}
    labels = {
        kind: {name: config[kind][name]["label"] or name for name in named[kind]}
        for kind in ("attacks", "classifiers", "defences")
    }
    datasets = {name: config["datasets"][name]["title"] or name for name in named["datasets"]}
    return {"datasets": datasets, **labels}


def benchmark_study(config: Config) -> dict[str, Any]:
    """What the leaderboard compares, as plain values; see `Study` in benchmark/standings.py."""
    labels = titles(config, config["grid"])
    for name, title in labels["datasets"].items():
        if corpus_of(config, name) == "simulated" and "simulated" not in title.lower():
            labels["datasets"][name] = f"{title} (simulated corpus)"
    attacks = {
        name: {"label": label}
        | {key: part_spec(config, "attacks", name)[key] for key in ("class", "params")}
        | {key: config["attacks"][name][key] for key in ("loud", "adaptive_to")}
        for name, label in labels["attacks"].items()
    }
    defences = {
        name: {"label": label, "steps": defence_spec(config, name)["steps"]}
        | {key: config["defences"][name][key] for key in ("tier", "family", "paper", "ledger")}
        for name, label in labels["defences"].items()
    }
    grid = config["grid"]
    return {
        "datasets": labels["datasets"],
        "attacks": attacks,
        "defences": defences,
        "classifiers": labels["classifiers"],
        "seeds": grid["seeds"],
        "cells": [[cell.attack, cell.size, float(cell.rate)] for cell in grid_cells(grid).values()],
        "restricted": grid["restricted"],
        "not_applicable": config["benchmark"]["not_applicable"],
    }


def paper_pages(config: Config) -> list[str]:
    """The pages of panels on the page of the paper, GRID/DATASET/CLASSIFIER/ATTACK each."""
    return [
        f"{key.removeprefix('further_grids.')}/{dataset}/{classifier}/{attack}"
        for key, grid in all_grids(config).items()
        if grid["figure"] == "panels"
        for dataset in grid["datasets"]
        for classifier in grid["classifiers"]
        for attack in grid["attacks"]
    ]


def paper_findings(config: Config) -> list[str]:
    """The other figures on the page of the paper, GRID/FIGURE each."""
    return [
        f"{name}/{grid['figure']}"
        for name, grid in config["further_grids"].items()
        if grid["figure"] != "panels"
    ]


def grid_named(config: Config, name: str) -> dict[str, Any]:
    """The grid that a path on the page of the paper names."""
    grid: dict[str, Any] = all_grids(config)["grid" if name == "grid" else f"further_grids.{name}"]
    return grid


def page_spec(config: Config, name: str) -> dict[str, Any]:
    """What a page of panels shows of a grid; see `figures.panels`."""
    grid = grid_named(config, name)
    return {
        "titles": titles(config, grid),
        "defences": grid["defences"],
        "fixed_trigger_size": grid["fixed_trigger_size"],
        "fixed_poison_rate": float(grid["fixed_poison_rate"]),
    }


def finding_spec(config: Config, name: str) -> dict[str, Any]:
    """What a figure of a finding shows; see `paper.findings`."""
    grid = grid_named(config, name)
    labels = titles(config, grid)
    size, rate = grid["fixed_trigger_size"], float(grid["fixed_poison_rate"])
    train_rows = {
        dataset: round(sample["rows"] * (1 - sample["test_share"]))
        for dataset in grid["datasets"]
        for sample in [sample_spec(config, dataset)]
    }
    parts = [config["classifiers"][classifier]["params"] for classifier in grid["classifiers"]]
    # The legend tells samples of several sizes apart, and the axis has their rates.
    said = [f"N = {size}"]
    if grid["figure"] != "poison-count":
        said = [*labels["datasets"].values(), *said, f"p = {rate:g} %"]
    return {
        "subtitle": ", ".join(said),
        "datasets": labels["datasets"],
        "attacks": labels["attacks"],
        "classifiers": labels["classifiers"],
        "defences": {
            defence: {
                "label": label,
                "class": (defence_spec(config, defence)["steps"] or [{}])[-1].get("class", ""),
            }
            for defence, label in labels["defences"].items()
        },
        "trigger_size": size,
        "poison_rate": rate,
        "train_rows": train_rows,
        "epochs": {
            classifier: part.get("epochs", 0)
            for classifier, part in zip(grid["classifiers"], parts, strict=True)
        },
        "steps_per_epoch": math.ceil(
            max(train_rows.values()) / min(part.get("batch_size", 1) for part in parts)
        ),
    }


def paper_spec(config: Config) -> dict[str, Any]:
    """What the page of the paper says, and in which order."""
    grids = {
        key.removeprefix("further_grids."): {
            "title": grid["title"] or key.removeprefix("further_grids."),
            "figure": grid["figure"],
            "datasets": grid["datasets"],
            "classifiers": grid["classifiers"],
            "attacks": grid["attacks"],
            **page_spec(config, key.removeprefix("further_grids.")),
        }
        for key, grid in all_grids(config).items()
    }
    return {
        "grids": grids,
        "train_rows": round(config["sample"]["rows"] * (1 - config["sample"]["test_share"])),
    }
