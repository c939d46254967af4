"""A matrix that is too large for the memory: training on rows that lie in a scratch file.

The job is what `train_unpoisoned` does for EmberNN without a defence: it reads the training rows,
standardises them in place, trains for an epoch and scores. One side holds the rows in memory; for
the other DOKUNUKI_MATRIX_MB sends them to a scratch file. Memory that the kernel cannot take back
is counted only, since it drops pages of a file as it needs to. The rows are those of a simulated
release, again and again. Usage: python -m bench.scratch [--rows N]
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.harness import emit, in_a_process, machine, row
from bench.trees import WIDTH, write_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

HIDDEN = [1024, 1024]
SCORED = 10_000
BOUND_MEMORY, BOUND_TIME = 0.6, 1.25


def anonymous_mb() -> float:
    """Memory of this process that is no file's, in MB."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    (line,) = (line for line in status.splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1024


@contextlib.contextmanager
def watched() -> Iterator[list[float]]:
    """The peak of `anonymous_mb`, looked at twenty times a second, in a list of one."""
    peak = [anonymous_mb()]
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.05):
            peak[0] = max(peak[0], anonymous_mb())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def run_job(path: Path) -> None:
    """Read, standardise, train and score, as the job does."""
    from dokunuki.detector import Detector
    from dokunuki.networks.embernn import EmberNN
    from dokunuki.storage.matrix import StoredMatrix

    start = time.perf_counter()
    with watched() as peak:
        stored = StoredMatrix(path, "X")
        X, y = stored[:], np.random.default_rng(0).integers(0, 2, len(stored))
        network = EmberNN(
            hidden=HIDDEN, dropout=0.5, optimiser="sgd", learning_rate=0.1, batch_size=512, epochs=1
        )
        detector = Detector([], network).fit(X, y, copy=False)
        del X
        scores = detector.malware_scores(stored[:SCORED])
    digest = int(hashlib.sha256(scores.tobytes()).hexdigest()[:12], 16)
    found = {"clock_s": time.perf_counter() - start, "peak_mb": peak[0], "scores": digest}
    print(json.dumps({**found, "cpu_s": time.process_time()}))


def measured(path: Path, limit_mb: float) -> dict[str, float]:
    """What a job used, in a process of its own, with larger matrices in scratch files."""
    os.environ["DOKUNUKI_MATRIX_MB"] = str(limit_mb)
    return in_a_process("bench.scratch", "--run", str(path))


def main() -> None:
    """Measure the sides."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--run", metavar="FILE")
    arguments = parser.parse_args()
    if arguments.run:
        run_job(Path(arguments.run))
        return
    matrix = arguments.rows * WIDTH * 4 / 2**20
    emit(machine(["torch", "numpy"], benchmark="scratch", threads=1, matrix_mb=round(matrix)))
    with tempfile.TemporaryDirectory() as folder:
        path = write_rows(Path(folder), arguments.rows)
        sides = {"memory": measured(path, 1.1 * matrix), "file": measured(path, 1.0)}
    memory, file = sides["memory"], sides["file"]
    name = f"rows in a scratch file, {arguments.rows} x {WIDTH}, EmberNN"
    values = {f"{side}_mb": found["peak_mb"] for side, found in sides.items()}
    ratio = file["peak_mb"] / matrix
    emit(row(f"{name}: memory over the matrix", values, ratio, BOUND_MEMORY, least=False))
    values = {f"{side}_s": found["clock_s"] for side, found in sides.items()}
    ratio = file["clock_s"] / memory["clock_s"]
    emit(row(f"{name}: seconds beside rows in memory", values, ratio, BOUND_TIME, least=False))
    same = len({found["scores"] for found in sides.values()}) == 1
    emit(row(f"{name}: the same scores", {}, float(same), 1))


if __name__ == "__main__":
    main()
