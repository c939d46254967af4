"""The paper's grid of one seed, to the end: what share of the processor it uses, where time goes.

Runs Snakemake on two cores in a scratch folder, with the paper's preset but its further grids, one
seed and the simulated corpus; time is counted from the first vectors to the report. The share is
that of the products done (bench.products) in what all cores together could have done in the time,
at the rate of the largest product (bench.training), taken before and after. What the files of five
seeds take is told from those of the one.
Usage: python -m bench.grid [--preset FILE] [--cores N] [--folder FOLDER] [--corpus-rows N]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch
import yaml

from bench.harness import emit, machine, row
from bench.material import PAPER, REPOSITORY, checkout, main_grid
from bench.products import Products
from bench.training import CASES, product_rate
from dokunuki.networks.devices import resolve_precision

# With AMX products take so little time that all else weighs more.
BOUND_WITH_AMX, BOUND_WITHOUT = 0.45, 0.55
BOUND_GIGABYTES = 3
SEEDS = 5
BENCHMARKS = Path("results", "benchmarks")
# What the log of a victim says that was not trained.
SPARED = "its scores are taken"


class Grid:
    """The grid in a scratch folder."""

    def __init__(self, folder: Path, arguments: argparse.Namespace) -> None:
        self.folder = folder
        rows = f"datasets={{simulated: {{rows: {arguments.corpus_rows}}}}}"
        self._command = [sys.executable, "-m", "snakemake", "--cores", str(arguments.cores)]
        main_grid(folder / "grid.yaml", Path(arguments.preset))
        self._command += ["--configfile", "grid.yaml", "--config", rows, "grid={seeds: [0]}"]
        self._environment = {**os.environ, "PYTHONPATH": str(folder / "workflow")}

    def planned(self) -> list[Path]:
        """The benchmark files of all jobs, of which every rule has one a job."""
        command = [*self._command, "--dry-run", "--", "all"]
        run = subprocess.run(
            command, cwd=self.folder, env=self._environment, check=True, capture_output=True
        )
        found = re.findall(r"^ +benchmark: (\S+)$", run.stdout.decode(), re.MULTILINE)
        return sorted(set(map(Path, found)))

    def build(self, target: str) -> float:
        """Build a target; the seconds of wall time."""
        command = [*self._command, "--quiet", "all", "--", target]
        start = time.perf_counter()
        subprocess.run(command, cwd=self.folder, env=self._environment, check=True)
        return time.perf_counter() - start


class Job(NamedTuple):
    """What a benchmark file and a log tell of a job: whether it was spared its training."""

    rule: str
    seconds: float
    spared: bool


def job(folder: Path, path: Path) -> Job:
    """Read a benchmark file, whose path holds the rule first."""
    inner = path.relative_to(BENCHMARKS)
    seconds = float(pd.read_csv(folder / path, sep="\t")["s"].sum())
    log = folder / "results" / "logs" / inner.with_suffix(".log")
    spared = log.is_file() and SPARED in log.read_text(encoding="utf-8")
    return Job(inner.parts[0].removesuffix(".tsv"), seconds, spared)


def gigabytes(folder: Path) -> float:
    """What five seeds leave: of the others than the first, no autoencoders."""
    seed = folder / "results" / "simulated" / "seed-0"
    sizes = {path: path.stat().st_size for path in folder.rglob("results/**/*") if path.is_file()}
    models = sum(size for path, size in sizes.items() if path.parent.name == "autoencoders")
    of_seed = sum(size for path, size in sizes.items() if path.is_relative_to(seed))
    return (sum(sizes.values()) + (SEEDS - 1) * (of_seed - models)) / 1e9


def shap_samples(preset: str) -> int:
    """Samples a row that the preset explains a surrogate with."""
    texts = [
        Path(path).read_text(encoding="utf-8") for path in (preset, REPOSITORY / "config.yaml")
    ]
    found = [yaml.safe_load(text).get("surrogate", {}).get("shap_samples") for text in texts]
    return int(next(samples for samples in found if samples))


def machine_rate(cores: int) -> float:
    """Floating-point operations a second of all cores together, in the precision of trainings."""
    torch.set_num_threads(cores)
    dtype = resolve_precision("auto", torch.device("cpu"))
    return product_rate(CASES[0], dtype, time.perf_counter)


def main() -> None:
    """Run the grid and print the rules."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default=str(PAPER))
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--corpus-rows", type=int, default=12000)
    parser.add_argument("--folder", help="where to work, and to leave the results")
    arguments = parser.parse_args()
    arguments.preset = str(Path(arguments.preset).resolve())
    amx = bool(torch.cpu.get_capabilities().get("amx_bf16", False))
    precision = str(resolve_precision("auto", torch.device("cpu"))).removeprefix("torch.")
    facts = {"preset": Path(arguments.preset).stem, "precision": precision, "amx": amx}
    emit(machine(["snakemake", "torch"], benchmark="grid", **facts))
    with contextlib.ExitStack() as stack:
        folder = Path(
            arguments.folder or stack.enter_context(tempfile.TemporaryDirectory(prefix="grid-"))
        )
        folder.mkdir(parents=True, exist_ok=True)
        checkout(folder)
        grid = Grid(folder, arguments)
        before = grid.build("results/simulated/seed-0/vectors.h5")
        planned = grid.planned()
        rate = machine_rate(arguments.cores)
        elapsed = grid.build("all")
        # A rate from a busier moment than the run's would flatter the share.
        rate = max(rate, machine_rate(arguments.cores))
        products = Products(folder, shap_samples(arguments.preset))
        done_operations = sum(map(products.of, planned))
        jobs = [job(folder, path) for path in planned]
        disk = gigabytes(folder)
    by_rule: dict[str, list[Job]] = defaultdict(list)
    for done in jobs:
        by_rule[done.rule].append(done)
    for rule, those in sorted(by_rule.items(), key=lambda item: -sum(j.seconds for j in item[1])):
        emit(
            {
                "rule": rule,
                "jobs": len(those),
                "seconds": round(sum(done.seconds for done in those), 1),
                "without training": sum(done.spared for done in those),
            }
        )
    emit(
        row(
            "the paper's grid, one seed, from vectors to report: share of the product rate",
            {
                "tflop": done_operations / 1e12,
                "machine_gflops": rate / 1e9,
                "minutes_before": before / 60,
                "minutes": elapsed / 60,
                "jobs": len(jobs),
            },
            done_operations / (rate * elapsed),
            BOUND_WITH_AMX if amx else BOUND_WITHOUT,
        )
    )
    name = f"disk after {SEEDS} seeds of the grid, by the files of one: GB"
    emit(row(name, {}, disk, BOUND_GIGABYTES, least=False))


if __name__ == "__main__":
    main()
