"""What the workflow asks a scheduler for, as a dry run prints it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
JOB = re.compile(r"^rule (\w+):\n(?:    .*\n)*?    resources: (.*)$", flags=re.MULTILINE)

pytestmark = pytest.mark.workflow


@pytest.fixture
def requested(tmp_path):
    for name in ("Snakefile", "config.yaml", "workflow", "profiles"):
        source = REPOSITORY / name
        copy = shutil.copytree if source.is_dir() else shutil.copy2
        copy(source, tmp_path / name)

    def dry_run(*config):
        done = subprocess.run(
            [sys.executable, "-m", "snakemake", "-n", "--cores", "1", "--config", *config],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(tmp_path / "workflow")},
            capture_output=True,
            text=True,
            check=True,
        )
        return {
            rule: {
                name: int(re.search(rf"\b{name}=(\d+)", resources)[1])
                for name in ("mem_mb", "runtime")
            }
            for rule, resources in JOB.findall(done.stdout + done.stderr)
            if "mem_mb=" in resources
        }

    return dry_run


def test_requests_grow_with_rows_and_epochs(requested):
    one_seed = "grid={seeds: [0]}"
    small = requested(one_seed)
    large = requested(
        one_seed,
        "sample={rows: 100000}",
        "datasets={simulated: {rows: 120000}}",
        "classifiers={embernn: {params: {epochs: 40}}}",
    )
    assert {"train_victim", "vectorise_rows", "index_corpus", "plot_panels"} <= small.keys()
    for rule in ("train_victim", "train_unpoisoned", "train_surrogate", "train_autoencoder"):
        assert large[rule]["mem_mb"] > small[rule]["mem_mb"] + 700
        assert large[rule]["runtime"] > small[rule]["runtime"]
    assert large["simulate_corpus"]["runtime"] > small["simulate_corpus"]["runtime"]
    # The matrix is written as it comes.
    assert small["vectorise_rows"]["mem_mb"] < large["vectorise_rows"]["mem_mb"] < 1500


def test_requests_grow_with_what_a_part_trains_by_itself(requested):
    one_size = "trigger_sizes: [8], fixed_trigger_size: 8"
    grid = f"grid={{seeds: [0], attacks: [greedy], defences: [none], {one_size}}}"
    rows = "sample={rows: 100000}"
    small = requested(grid, rows)
    large = requested(
        grid, rows, "attacks={greedy: {trainings: 5}}", "defences={none: {trainings: 10}}"
    )
    for rule in ("plant_trigger", "train_victim", "train_unpoisoned"):
        assert large[rule]["runtime"] > 2 * small[rule]["runtime"]
    assert large["train_surrogate"] == small["train_surrogate"]
