"""What a study comes to: a row of the tables for each run, where its files lie, and its titles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dokunuki.study.grid import UNPOISONED, Cell, defended_classifiers, grid_cells
from dokunuki.study.keys import NO_ATTACK
from dokunuki.study.specs import defence_spec

if TYPE_CHECKING:
    from dokunuki.study.configuration import Config


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


def grid_runs(config: Config) -> list[dict[str, Any]]:
    """One entry per row of the metrics table, as plain values, in the order of the grid."""
    grid = config["grid"]
    cells: list[Cell | None] = [None, *grid_cells(grid).values()]
    return [
        {
            "dataset": dataset,
            "corpus": config["datasets"][dataset]["kind"],
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


def titles(config: Config) -> dict[str, dict[str, str]]:
    """How figures and tables call things, by section and name."""
    grid = config["grid"]
    labels = {
        kind: {name: config[kind][name]["label"] or name for name in grid[kind]}
        for kind in ("attacks", "classifiers", "defences")
    }
    datasets = {name: config["datasets"][name]["title"] or name for name in grid["datasets"]}
    return {"datasets": datasets, **labels}


def benchmark_study(config: Config) -> dict[str, Any]:
    """What the leaderboard compares, as plain values; see `Study` in benchmark/standings.py."""
    labels = titles(config)
    for name, title in labels["datasets"].items():
        if config["datasets"][name]["kind"] == "simulated" and "simulated" not in title.lower():
            labels["datasets"][name] = f"{title} (simulated corpus)"
    attacks = {
        name: {"label": label}
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
