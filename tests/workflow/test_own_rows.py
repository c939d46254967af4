"""Own rows through the workflow: the metrics of the release they came from, and own layouts."""

from __future__ import annotations

import os
import time

import numpy as np
import pandas as pd
import pytest
import yaml

from checkout import DEFENCES, TINY, Checkout
from dokunuki.corpus.vectors import read_vectors

pytestmark = pytest.mark.workflow

SIMULATED = {"kind": "simulated", "rows": 260, "families": 30, "vendors": 40}
GRID = {
    **TINY["grid"],
    "datasets": ["simulated"],
    "defences": ["none", "ae"],
    "trigger_sizes": [4],
    "poison_rates": [5],
}
WIDTH = 40
LAYOUT = {
    "name": "in-house",
    "groups": {
        "bytes": {"width": 10, "kind": "real", "attackable": False},
        "header": {"columns": {"size": "count", "entropy": "real", "signed": "flag"}},
        "machine": {"columns": ["machine"], "kind": "category"},
        "counts": {"width": 10, "kind": "count", "feasible": True},
        "imports": {"width": 16, "kind": "hash"},
    },
}


@pytest.fixture(scope="module")
def exported(tmp_path_factory, tiny_release) -> Checkout:
    config = {**TINY, "grid": GRID, "datasets": {"simulated": SIMULATED}}
    checkout = Checkout(tmp_path_factory.mktemp("release"), tiny_release, config)
    checkout.snakemake("--cores", "2", "metrics", "results/simulated/rows.parquet")
    return checkout


def test_shuffled_columns_give_the_release_metrics_byte_for_byte(exported, tmp_path, tiny_release):
    rows = pd.read_parquet(exported.folder / "results/simulated/rows.parquet")
    assert rows["sha256"].is_unique
    order = np.random.default_rng(0).permutation(rows.columns)
    rows[list(order)].to_parquet(tmp_path / "feed.parquet", row_group_size=50)
    dataset = {"kind": "rows", "path": str(tmp_path / "feed.parquet"), "simulated": True}
    config = {**TINY, "grid": GRID, "datasets": {"simulated": dataset}}
    (tmp_path / "own").mkdir()
    own = Checkout(tmp_path / "own", tiny_release, config)
    own.snakemake("--cores", "2", "metrics")
    metrics = "results/metrics.csv"
    assert (own.folder / metrics).read_bytes() == (exported.folder / metrics).read_bytes()


def feed(folder, change=0.0):
    """300 rows of 40 columns, of which malware has more of the counts."""
    rng = np.random.default_rng(7)
    names = [f"bytes_{n}" for n in range(10)]
    label = np.arange(300) % 2
    columns = dict(zip(names, rng.random((10, 300)), strict=True))
    columns |= {"size": rng.integers(1, 10**6, 300), "entropy": rng.random(300) * 8}
    columns |= {"signed": rng.random(300) < 0.4, "machine": rng.choice([332, 34404], 300)}
    columns |= {f"counts_{n}": rng.poisson(3 + 4 * label) for n in range(10)}
    columns |= {f"imports_{n}": rng.normal(size=300) for n in range(16)}
    table = pd.DataFrame(columns)
    assert table.shape == (300, WIDTH)
    table["entropy"] += change
    table["verdict"] = np.where(label, "malicious", "benign")
    table["md5"] = [f"{row:032x}" for row in range(300)]
    table.sample(frac=1, axis=1, random_state=1).to_csv(folder / "feed.csv", index=False)


@pytest.fixture(scope="module")
def inhouse(tmp_path_factory, tiny_release) -> Checkout:
    data = tmp_path_factory.mktemp("feed")
    feed(data)
    (data / "layout.yaml").write_text(yaml.safe_dump(LAYOUT, sort_keys=False))
    dataset = {
        "kind": "rows",
        "path": str(data / "feed.csv"),
        "layout": str(data / "layout.yaml"),
        "label": "verdict",
        "id": "md5",
        "title": "In-house features",
    }
    attacks = ["independent", "fgsm-flip-all-3", "severi"]
    feasible = {"extends": "independent", "params": {"region": "feasible"}, "label": "Feasible"}
    grid = {**TINY["grid"], "datasets": ["inhouse"], "attacks": attacks, "poison_rates": [5]}
    config = {
        **TINY,
        "grid": {**grid, "trigger_sizes": [4]},
        "datasets": {"inhouse": dataset},
        "attacks": {"severi": feasible},
    }
    checkout = Checkout(tmp_path_factory.mktemp("inhouse"), tiny_release, config)
    checkout.data = data
    checkout.snakemake("--cores", "2")
    return checkout


def test_the_tiny_grid_runs_on_a_layout_of_40_columns(inhouse):
    metrics = inhouse.metrics()
    assert set(metrics["status"]) == {"ok"}
    assert set(metrics["corpus"]) == {"rows"}
    assert len(metrics) == DEFENCES * (1 + 3)
    vectors = read_vectors(inhouse.folder / "results/inhouse/seed-0/vectors.h5")
    assert (vectors.layout.name, vectors.X.shape[1]) == ("in-house", WIDTH)
    report = (inhouse.folder / "results/report.html").read_text()
    assert "In-house features" in report


def test_the_same_command_does_nothing(inhouse):
    assert inhouse.planned() == set()


def test_new_rows_are_read_again(inhouse, tmp_path):
    own = inhouse.copied_to(tmp_path / "copy")
    feed(inhouse.data, change=1.0)
    later = time.time() + 5
    os.utime(inhouse.data / "feed.csv", (later, later))
    assert "index_corpus" in {job.rule for job in own.planned()}


def test_another_kind_of_a_column_makes_vectors_and_what_follows_again(inhouse, tmp_path):
    own = inhouse.copied_to(tmp_path / "copy")
    text = (inhouse.data / "layout.yaml").read_text()
    assert "machine:\n    columns:\n    - machine\n    kind: category" in text
    changed = tmp_path / "layout.yaml"
    changed.write_text(text.replace("kind: category", "kind: count"))
    own.edit("overlay.yaml", str(inhouse.data / "layout.yaml"), str(changed))
    assert {"vectorise_rows", "plant_trigger"} <= {job.rule for job in own.planned()}


def test_a_mistake_is_told_before_any_job(inhouse, tmp_path):
    own = inhouse.copied_to(tmp_path / "copy")
    own.edit("overlay.yaml", str(inhouse.data / "feed.csv"), str(tmp_path / "none.csv"))
    done = own.snakemake("-n", check=False)
    assert done.returncode
    assert f"{tmp_path / 'none.csv'}: no such file or folder" in done.stdout + done.stderr
