"""What it costs to start: parsing the workflow, a job's process, and how many jobs a seed has.

Parsing is what listing the rules takes, less what it takes of a Snakefile with one rule, in wall
time (or, on a busy machine, CPU time) of processes taken in turn. A job's fixed cost is a process
that imports what Snakemake, train_victim's script and a network import, reads the training rows of
a file of vectors, and ends. Usage: python -m bench.startup [--rows N] [--rounds N] [--clock cpu]
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from bench.harness import emit, interleaved, machine, row
from bench.material import REPOSITORY, checkout, vectors
from dokunuki.corpus.layout import feature_layout
from dokunuki.corpus.vectors import Vectors, write_vectors

ONE_RULE = 'rule all:\n    output:\n        "done",\n    shell:\n        "touch done"\n'
# What Snakemake puts before a script and the imports of the script, as they stand there, and the
# reading that every training begins with.
JOB = """
import os, re, sys
from pathlib import Path
from snakemake.iocontainers import Snakemake
from snakemake.logging import logger
script = Path("workflow/scripts/train_victim.py").read_text()
exec("\\n".join(re.findall(r"^(?:from|import) .*$", script, re.MULTILINE)))
from dokunuki.job import logged
from dokunuki.parts.building import load_class
with logged(os.devnull):
    load_class("dokunuki.networks.embernn.EmberNN")
    read_vectors(sys.argv[1]).part("train")
"""


def children_cpu() -> float:
    """CPU time of all processes that were started and have ended."""
    times = os.times()
    return times.children_user + times.children_system


CLOCKS = {"wall": time.perf_counter, "cpu": children_cpu}


def run(*command: str, folder: Path) -> str:
    """The output of a command, which has to succeed."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "workflow")}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout + done.stderr


def jobs_per_seed(folder: Path) -> int:
    """The jobs that a seed adds to the paper's grid."""
    return planned_jobs(folder, "[0, 1]") - planned_jobs(folder, "[0]")


def planned_jobs(folder: Path, seeds: str) -> int:
    """The jobs of the paper's grid, from raw rows to report."""
    command = ("-m", "snakemake", "-n", "-q", "rules", "--cores", "2")
    overlay = (
        "--configfile",
        "workflow/presets/paper.yaml",
        "--config",
        f"grid={{seeds: {seeds}}}",
    )
    found = re.search(r"^total\s+(\d+)", run(*command, *overlay, folder=folder), re.MULTILINE)
    if not found:
        raise RuntimeError("the dry run does not say how many jobs there are")
    return int(found[1])


def main() -> None:
    """Measure the three."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=8000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    arguments = parser.parse_args()
    emit(machine(["snakemake", "torch"], benchmark="startup", clock=arguments.clock))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "Snakefile").write_text(ONE_RULE)
        rows = arguments.rows
        texts = np.full(rows, "")
        X, labels = vectors(rows)
        role = np.full(rows, "train")
        path = folder / "vectors.h5"
        layout = feature_layout(1)
        held = Vectors(X, labels, texts, texts, role, layout, "bench", "simulated")
        write_vectors(path, held)
        listing = ("-m", "snakemake", "--list-rules", "--cores", "1")
        seconds = interleaved(
            {
                "one_rule": lambda: run(*listing, folder=folder),
                "workflow": lambda: run(*listing, folder=REPOSITORY),
                "job": lambda: run("-c", JOB, str(path), folder=REPOSITORY),
            },
            arguments.rounds,
            CLOCKS[arguments.clock],
        )
        (folder / "fresh").mkdir()
        checkout(folder / "fresh")
        jobs = jobs_per_seed(folder / "fresh")
    measured = {f"{name}_s": seconds[name] for name in ("one_rule", "workflow")}
    above = seconds["workflow"] - seconds["one_rule"]
    emit(row("parsing: seconds above bare Snakemake", measured, above, 0.5, least=False))
    emit(row(f"a job's fixed cost, {rows} rows: seconds", {}, seconds["job"], 2, least=False))
    emit(row("jobs of the paper's grid a seed", {}, jobs, 150, least=False))


if __name__ == "__main__":
    main()
