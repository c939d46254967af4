"""What an audit costs: processor time, and memory beside the matrix of the feed.

Simulated feeds of 2,000 and 8,000 rows, and with `--rows` of others, hold the loud control (N = 16)
in 4 % of their rows, so that all stages have work. Each is audited without canaries in a process of
its own that reads the rows from a file. Time is processor seconds of one thread. The bound is for
two cores, and other work on the machine lengthens what a clock shows: what one thread does in time,
two cores do. Memory is the highest of the whole process, with Python and its libraries. Time that
was not measured is extrapolated from the two largest sizes that were, and says so.
Usage: python -m bench.audit_cost [--rows N ...] [--detector NAME]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.harness import emit, machine, peak_mb, row
from dokunuki.corpus.layout import feature_layout

if TYPE_CHECKING:
    from collections.abc import Mapping

SIZES = [2000, 8000]
# Minutes by rows, as the specification has them.
BOUNDS = {8000: 5, 100_000: 30}
MATRICES = 2.0
TRIGGER_SIZE = 16
RATE = 4.0
LAYOUT = feature_layout(1)
REPOSITORY = Path(__file__).resolve().parents[1]


def write_feed(folder: Path, rows: int) -> None:
    """The rows X.npy and the labels y.npy of a feed with the loud control in it."""
    # Here, since the process of an audit should hold no more than an audit needs.
    from bench.material import vectors
    from dokunuki.attacks.badnets import BadNets
    from dokunuki.attacks.planting import plant_poison
    from dokunuki.attacks.protocol import AttackerKnowledge

    X, y = vectors(rows)
    knowledge = AttackerKnowledge(
        X=X, y=y, layout=LAYOUT, explanations=None, surrogate=None, seed=0, name="none",
        dataset="bench",
    )  # fmt: skip
    attack = BadNets(region="non_hashed")
    trigger = attack.select_trigger(knowledge, TRIGGER_SIZE)
    poison = plant_poison(
        y, trigger, RATE, poisoned_class=attack.poisoned_class, label_flip=attack.label_flip, seed=0
    )
    poison.apply(X, y)
    np.save(folder / "X.npy", X)
    np.save(folder / "y.npy", y)


def run_audit(folder: Path, detector: str) -> None:
    """What `measured` starts: one audit, and what it took, as a line of JSON."""
    from dokunuki.audit.running import audit_rows

    base = peak_mb()
    X, y = np.load(folder / "X.npy"), np.load(folder / "y.npy")
    started, used = time.perf_counter(), time.process_time()
    result = audit_rows(X, y, LAYOUT, detector=detector, seed=0, threads=1)
    seconds, cpu = time.perf_counter() - started, time.process_time() - used
    matrix = X.nbytes / 2**20
    found = {"rows": len(X), "verdict_of_it": result.verdict, "cpu_s": cpu, "clock_s": seconds}
    print(json.dumps({**found, "peak_mb": peak_mb(), "matrix_mb": matrix, "libraries_mb": base}))


def measured(rows: int, detector: str) -> dict[str, Any]:
    """What the audit of a feed of so many rows takes, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        # The feed too is made in a process of its own.
        _run(["--feed", folder, "--write", "--rows", str(rows)])
        printed = _run(["--feed", folder, "--detector", detector])
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return found


def _run(arguments: list[str]) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "bench.audit_cost", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=REPOSITORY,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return done.stdout


def extrapolated(smaller: Mapping[str, Any], larger: Mapping[str, Any], rows: int) -> float:
    """Processor seconds on the line through two sizes, further on."""
    further = (rows - larger["rows"]) / (larger["rows"] - smaller["rows"])
    return float(larger["cpu_s"] + further * (larger["cpu_s"] - smaller["cpu_s"]))


def emit_bounds(rows: int, found: Mapping[str, Any]) -> None:
    """Time and memory of one size against what was asked for."""
    kept: dict[str, Any] = {key: found[key] for key in ("cpu_s", "clock_s")}
    if rows in BOUNDS:
        name = f"audit of {rows} rows, one thread: minutes of processor time"
        emit(row(name, kept, found["cpu_s"] / 60, BOUNDS[rows], least=False))
        kept = {}
    kept |= {key: found[key] for key in ("peak_mb", "matrix_mb", "libraries_mb")}
    name = f"audit of {rows} rows: peak memory over the matrix"
    emit(row(name, kept, found["peak_mb"] / found["matrix_mb"], MATRICES, least=False))


def main() -> None:
    """Measure all sizes, and what one more row takes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, nargs="*", default=SIZES, help="sizes to measure")
    parser.add_argument("--detector", default="lightgbm")
    parser.add_argument("--feed", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.write:
        write_feed(arguments.feed, *arguments.rows)
        return
    if arguments.feed:
        run_audit(arguments.feed, arguments.detector)
        return
    packages = ["lightgbm", "scikit-learn", "numpy"]
    emit(machine(packages, benchmark="audit_cost", detector=arguments.detector, threads=1))
    found = []
    for rows in sorted(arguments.rows):
        found.append(measured(rows, arguments.detector))
        emit_bounds(rows, found[-1])
    if len(found) < 2:
        return
    smaller, larger = found[-2:]
    grown = larger["matrix_mb"] - smaller["matrix_mb"]
    emit(
        row(
            f"audit: memory that one more row takes, {smaller['rows']} to {larger['rows']} rows, "
            "over its own",
            {},
            (larger["peak_mb"] - smaller["peak_mb"]) / grown,
            MATRICES,
            least=False,
        )
    )
    for rows in BOUNDS.keys() - {int(one["rows"]) for one in found}:
        if rows > larger["rows"]:
            # Not memory: what few rows take is mostly the same for all sizes.
            seconds = extrapolated(smaller, larger, rows)
            name = f"audit of {rows} rows, one thread: minutes of processor time (extrapolated)"
            emit(row(name, {"cpu_s": seconds}, seconds / 60, BOUNDS[rows], least=False))


if __name__ == "__main__":
    main()
