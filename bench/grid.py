"""How long the paper's whole grid takes for one seed, and where the time goes, rule by rule.

Runs Snakemake on two cores in a scratch folder, with the paper's preset, one seed and the simulated
corpus; time is counted from the first vectors to the report. Usage: python -m bench.grid
[--preset FILE] [--cores N] [--folder FOLDER] [--corpus-rows N]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import pandas as pd

from bench.harness import emit, machine, row
from bench.material import REPOSITORY, checkout

BOUND_SECONDS = 20 * 60


def snakemake(folder: Path, arguments: argparse.Namespace, *targets: str) -> float:
    """Build targets in `folder`; the seconds of wall time."""
    rows = f"datasets={{simulated: {{rows: {arguments.corpus_rows}}}}}"
    command = [sys.executable, "-m", "snakemake", "--cores", str(arguments.cores), "--quiet", "all"]
    command += ["--configfile", arguments.preset, "--config", rows, "grid={seeds: [0]}"]
    environment = {**os.environ, "PYTHONPATH": str(folder / "workflow")}
    start = time.perf_counter()
    subprocess.run([*command, "--", *targets], cwd=folder, env=environment, check=True)
    return time.perf_counter() - start


def seconds_by_rule(folder: Path) -> dict[str, tuple[int, float]]:
    """Jobs and their seconds of wall time, the costliest rule first."""
    totals: dict[str, tuple[int, float]] = defaultdict(lambda: (0, 0.0))
    benchmarks = folder / "results" / "benchmarks"
    for path in benchmarks.rglob("*.tsv"):
        rule = path.relative_to(benchmarks).parts[0].removesuffix(".tsv")
        jobs, seconds = totals[rule]
        totals[rule] = jobs + 1, seconds + float(pd.read_csv(path, sep="\t")["s"].sum())
    return dict(sorted(totals.items(), key=lambda item: -item[1][1]))


def main() -> None:
    """Run the grid and print the rules."""
    parser = argparse.ArgumentParser(description=__doc__)
    preset = REPOSITORY / "workflow" / "presets" / "paper.yaml"
    parser.add_argument("--preset", default=str(preset))
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--corpus-rows", type=int, default=12000)
    parser.add_argument("--folder", help="where to work, and to leave the results")
    arguments = parser.parse_args()
    arguments.preset = str(Path(arguments.preset).resolve())
    emit(machine(["snakemake", "torch"], benchmark="grid", preset=Path(arguments.preset).stem))
    with contextlib.ExitStack() as stack:
        folder = Path(
            arguments.folder or stack.enter_context(tempfile.TemporaryDirectory(prefix="grid-"))
        )
        checkout(folder)
        vectors = "results/simulated/seed-0/vectors.h5"
        before = snakemake(folder, arguments, vectors)
        total = snakemake(folder, arguments, "all")
        rules = seconds_by_rule(folder)
    for rule, (jobs, seconds) in rules.items():
        emit({"rule": rule, "jobs": jobs, "seconds": round(seconds, 1)})
    emit(
        row(
            "the whole grid, one seed, from vectors to report: minutes",
            {"minutes_before": before / 60},
            total / 60,
            BOUND_SECONDS / 60,
            least=False,
        )
    )


if __name__ == "__main__":
    main()
