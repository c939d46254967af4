"""What it costs to start: parsing, a job's process, a seed's jobs, Snakemake itself, `make run`.

Parsing is what listing the rules takes, less what it takes of a Snakefile with one rule, in wall
time (or, on a busy machine, CPU time) of processes taken in turn. A job's fixed cost is a process
that imports what Snakemake, train_victim's script and a network import, reads the training rows of
a file of vectors, and ends. Of it, torch's own import is told apart. Snakemake's own share is that
of the CPU seconds of the quick run's first seed, its jobs' included, that pass in Snakemake's
process. All three seeds take twice as long, and their share is smaller, since a job trains several.
`--fresh-clone` measures, in wall time, `make run` in a new clone of this repository: what is
committed, with the set-up, whose packages pip downloads unless it has them in its cache.
Usage: python -m bench.startup [--rows N] [--rounds N] [--clock cpu] [--only NAME ...]
[--fresh-clone] [--cores N]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from bench.harness import emit, interleaved, machine, row
from bench.material import REPOSITORY, checkout, main_grid, vectors
from dokunuki.corpus.layout import feature_layout
from dokunuki.corpus.vectors import Vectors, write_vectors

JOB_BOUND = 1.2
SHARE_BOUND = 0.1
CLONE_BOUND_MINUTES = 5
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
    """The output of a command of Python's, which has to succeed."""
    paths = (str(REPOSITORY / "workflow"), str(REPOSITORY))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
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
    main_grid(folder / "grid.yaml")
    overlay = ("--configfile", "grid.yaml", "--config", f"grid={{seeds: {seeds}}}")
    found = re.search(r"^total\s+(\d+)", run(*command, *overlay, folder=folder), re.MULTILINE)
    if not found:
        raise RuntimeError("the dry run does not say how many jobs there are")
    return int(found[1])


def cpu_seconds(folder: Path, *arguments: str) -> dict[str, float]:
    """Of Snakemake with these arguments in a folder: its own CPU seconds, and those of its jobs."""
    output = run("-m", "bench.overseen", *arguments, folder=folder)
    (line,) = (line for line in output.splitlines() if line.startswith('{"own_s"'))
    found: dict[str, float] = json.loads(line)
    return found


def minutes_of_a_fresh_clone(folder: Path, cores: int) -> float:
    """Minutes from `make run` to the report in a new clone of the repository, set-up included."""
    subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(folder)], check=True)
    # As a user has it: no package of this environment, none of this folder's code, and nothing of
    # what `make bench` was told.
    alien = ("PYTHONPATH", "VIRTUAL_ENV", "OMP_NUM_THREADS", "MAKEFLAGS", "MFLAGS", "ARGS")
    environment = {key: value for key, value in os.environ.items() if key not in alien}
    python = Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}")
    start = time.perf_counter()
    command = ["make", "run", f"PYTHON={python}", f"CORES={cores}"]
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - start) / 60


def measure_parsing(folder: Path, arguments: argparse.Namespace) -> None:
    """The workflow's own part of listing its rules."""
    (folder / "Snakefile").write_text(ONE_RULE)
    listing = ("-m", "snakemake", "--list-rules", "--cores", "1")
    sides = {
        "one_rule": lambda: run(*listing, folder=folder),
        "workflow": lambda: run(*listing, folder=REPOSITORY),
    }
    seconds = interleaved(sides, arguments.rounds, CLOCKS[arguments.clock])
    measured = {f"{name}_s": value for name, value in seconds.items()}
    above = seconds["workflow"] - seconds["one_rule"]
    emit(row("parsing: seconds above bare Snakemake", measured, above, 0.5, least=False))


def measure_job(folder: Path, arguments: argparse.Namespace) -> None:
    """A training job without its training."""
    rows = arguments.rows
    texts = np.full(rows, "")
    X, labels = vectors(rows)
    path = folder / "vectors.h5"
    layout = feature_layout(1)
    role = np.full(rows, "train")
    held = Vectors(X, labels, texts, texts, role, layout, "bench", "simulated")
    write_vectors(path, held)
    sides = {
        "job": lambda: run("-c", JOB, str(path), folder=REPOSITORY),
        "torch": lambda: run("-c", "import torch", folder=REPOSITORY),
    }
    seconds = interleaved(sides, arguments.rounds, CLOCKS[arguments.clock])
    name = f"a job's fixed cost, {rows} rows: seconds"
    measured = {"torch_import_s": seconds["torch"]}
    emit(row(name, measured, seconds["job"], JOB_BOUND, least=False))


def measure_jobs(folder: Path, arguments: argparse.Namespace) -> None:
    """How many jobs a seed of the paper's grid has."""
    checkout(folder)
    emit(row("jobs of the paper's grid a seed", {}, jobs_per_seed(folder), 150, least=False))


def measure_share(folder: Path, arguments: argparse.Namespace) -> None:
    """What of one seed of the quick run is Snakemake's own work."""
    checkout(folder)
    seed = ("--config", "grid={seeds: [0]}")
    quick = ("--cores", str(arguments.cores), "--quiet", "rules", "host", *seed)
    seconds = cpu_seconds(folder, *quick)
    share = seconds["own_s"] / (seconds["own_s"] + seconds["jobs_s"])
    name = "Snakemake's own share of the CPU seconds of the quick run's first seed"
    emit(row(name, seconds, share, SHARE_BOUND, least=False))


MEASURES = {
    "parsing": measure_parsing,
    "job": measure_job,
    "jobs": measure_jobs,
    "share": measure_share,
}


def main() -> None:
    """Measure them, each in a scratch folder of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=8000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--only", nargs="*", choices=MEASURES, default=list(MEASURES))
    parser.add_argument("--fresh-clone", action="store_true", help="measure make run too")
    arguments = parser.parse_args()
    emit(machine(["snakemake", "torch"], benchmark="startup", clock=arguments.clock))
    for name in arguments.only:
        with tempfile.TemporaryDirectory(prefix="startup-") as folder:
            MEASURES[name](Path(folder), arguments)
    if arguments.fresh_clone:
        with tempfile.TemporaryDirectory(prefix="startup-") as folder:
            minutes = minutes_of_a_fresh_clone(Path(folder, "clone"), arguments.cores)
        name = "make run from a fresh clone, set-up included: minutes"
        emit(row(name, {}, minutes, CLONE_BOUND_MINUTES, least=False))


if __name__ == "__main__":
    main()
