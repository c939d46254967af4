"""A small benchmark to draw and to print: 30 defences of all tiers under four attacks."""

from __future__ import annotations

from itertools import product
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from dokunuki.benchmark.standings import build_cells, build_standings, study_of

FAMILIES = ("representation", "filter", "training", "certified")
TIERS = {26: "ours", 27: "clean-rows", 28: "bound", 29: "bound"}
DEFENCES = {"none": {"label": "No Defence"}} | {
    f"d{number:02}": {
        "label": f"A defence | number {number}",
        "family": FAMILIES[number % 4],
        "tier": TIERS.get(number, "defence"),
        "paper": "Somebody et al., 2020",
        "steps": [{"class": "sklearn.decomposition.PCA", "params": {"n_components": 8}}],
        "ledger": {"poison": number >= 28, "poison_rate": "assumed 4 %"},
    }
    for number in range(1, 30)
}
CLASSES = {
    "flips": {"class": "dokunuki.attacks.badnets.BadNets", "params": {"region": "non_hashed"}},
    "clean": {"class": "dokunuki.attacks.greedy.GreedyCombinedSelection", "params": {}},
}
STUDY = {
    "datasets": {"feed": "Feed (simulated corpus)"},
    "attacks": {
        "badnets": {"label": "BadNets", "loud": True} | CLASSES["flips"],
        "greedy": {"label": "Greedy Combined Selection"} | CLASSES["clean"],
        "adaptive": {"label": "<b>Adaptive</b>", "adaptive_to": "d04"},
    },
    "defences": DEFENCES,
    "classifiers": {"net": "Net", "trees": "Trees"},
    "seeds": [0, 1],
    "cells": [[name, size, 4.0] for name in ("badnets", "greedy", "adaptive") for size in (8, 32)],
    "restricted": {"trees": ["none", "d02", "d03", "d26"]},
}
MISSED = "d01"  # a filter that does not find the loud control
DIVERGED = "d06"  # on all of the adaptive attack
PARTLY = "d07"  # on one N of it


@pytest.fixture(scope="session")
def benchmark():
    """`study`, the two tables `metrics` and `timings`, `cells` and `standings`."""
    random = np.random.default_rng(0)
    rows, timings = [], []
    names = list(DEFENCES)
    cells = [("none", 0, 0.0), *map(tuple, STUDY["cells"])]
    for classifier, (attack, size, rate), name, seed in product(
        STUDY["classifiers"], cells, names, STUDY["seeds"]
    ):
        if name not in STUDY["restricted"].get(classifier, names):
            continue
        key = {
            "dataset": "feed",
            "corpus": "simulated",
            "seed": seed,
            "attack": attack,
            "trigger_size": size,
            "poison_rate": rate,
            "defence": name,
            "classifier": classifier,
        }
        timings.append(
            key
            | {"seconds_defence": 1.0, "seconds_training": 2.0, "seconds_scoring": 0.25}
            | {"peak_memory_mib": 512.0}
        )
        if attack == "adaptive" and (name == DIVERGED or (name == PARTLY and size == 8)):
            rows.append(key | {"status": "diverged"})
            continue
        place = names.index(name)
        # Most crowd where good defences do.
        row = key | {"status": "ok", "test_rows": 240, "calibration_rows": 120}
        row |= {"accuracy": 0.96 - 0.0006 * place + 0.002 * random.random()}
        row |= {"fpr": 0.05, "roc_auc": 0.98, "fpr_at_1": 0.02, "tpr_at_1": 0.9}
        row |= {"fpr_at_01": 0.0, "tpr_at_01": 0.7}
        if attack != "none":
            row |= {"asr": (0.9 * 0.75**place + 0.05) * random.uniform(0.8, 1), "asr_at_1": 0.3}
            row |= {"asr_clean": 0.04, "asr_detected": 0.03, "delta_asr": 0.1, "asr_at_01": 0.4}
        if DEFENCES[name].get("family") == "filter":
            row |= {"removed_rows": 48, "goodware_removed": 0.1}
            found = 0.25 if name == MISSED else 0.75
            row |= {"poison_recall": found, "poison_precision": 0.5} if rate else {}
        if DEFENCES[name].get("family") == "certified":
            row |= {"certificate": "rows", "certified_accuracy": 0.6, "median_radius": 12}
        rows.append(row)
    study = study_of(STUDY)
    tables = {"metrics": pd.DataFrame(rows), "timings": pd.DataFrame(timings)}
    cells = build_cells(**tables, study=study)
    return SimpleNamespace(
        **tables,
        study=study,
        cells=cells,
        standings=build_standings(cells, tables["metrics"], study),
    )
