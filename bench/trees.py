"""Peak memory of a job that trains LightGBM on very many rows, over the matrix that it reads.

The job is what `train_unpoisoned` does for LightGBM without a defence: it reads the training rows,
four fifths of the file, standardises them in their own memory and trains. "Matrix" is all rows of
the file as float32, as in docs/scaling.md. Few rounds are trained, since more of them take no more
memory. Beside it stands the same with the library's own `subsample_for_bin`, 200,000 rows. The rows
are those of a simulated release, again and again. Usage: python -m bench.trees [--rows N]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml

from bench.harness import emit, in_a_process, machine, peak_mb, row
from bench.large_selection import repeat_chunks
from dokunuki.corpus.layout import feature_layout
from dokunuki.detector import Detector
from dokunuki.parts.building import build
from dokunuki.storage.arrays import write_arrays
from dokunuki.storage.matrix import StoredMatrix

REPOSITORY = Path(__file__).resolve().parents[1]
ENTRY = REPOSITORY / "workflow" / "catalogue" / "classifiers" / "lightgbm.yaml"
WIDTH = feature_layout(1).width
SIDES: dict[str, dict[str, int]] = {"ours": {}, "library": {"subsample_for_bin": 200_000}}
BOUND = 1.6
ROUNDS = 2
_SIMULATED = 12_000


def write_rows(folder: Path, rows: int) -> Path:
    """A file of that many rows, those of a release again and again."""
    from bench.material import vectors  # here, so that a side's process does not hold torch

    X, _ = vectors(_SIMULATED)
    write_arrays(folder / "part.h5", {"X": X})
    repeat_chunks(folder / "part.h5", folder / "rows.h5", "X", rows)
    return folder / "rows.h5"


def run_side(side: str, path: Path) -> None:
    """Read, standardise and train, as the job does."""
    start = time.process_time()
    entry = yaml.safe_load(ENTRY.read_text(encoding="utf-8"))
    params = {**entry["params"], "n_estimators": ROUNDS, **SIDES[side]}
    stored = StoredMatrix(path, "X")
    rng = np.random.default_rng(0)
    train = np.flatnonzero(rng.random(len(stored)) < 0.8)
    X, y = stored[train], rng.integers(0, 2, len(train))
    Detector([], build(entry["class"], params, seed=0, threads=1)).fit(X, y, copy=False)
    print(json.dumps({"cpu_s": time.process_time() - start, "peak_mb": peak_mb()}))


def measured(side: str, path: Path) -> dict[str, float]:
    """Processor seconds and the peak of memory in MB, in a process of its own."""
    return in_a_process("bench.trees", "--run", side, str(path))


def main() -> None:
    """Measure both sides."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--run", nargs=2, metavar=("SIDE", "FILE"))
    arguments = parser.parse_args()
    if arguments.run:
        run_side(arguments.run[0], Path(arguments.run[1]))
        return
    emit(machine(["lightgbm", "numpy"], benchmark="trees", threads=1, rounds=ROUNDS))
    matrix = arguments.rows * WIDTH * 4 / 2**20
    with tempfile.TemporaryDirectory() as folder:
        path = write_rows(Path(folder), arguments.rows)
        found = {side: measured(side, path) for side in SIDES}
    values = {f"{side}_mb": found[side]["peak_mb"] for side in SIDES}
    values |= {f"{side}_s": found[side]["cpu_s"] for side in SIDES}
    values |= {"matrix_mb": matrix, "library_ratio": found["library"]["peak_mb"] / matrix}
    name = f"training LightGBM, {arguments.rows} rows x {WIDTH}: peak memory over the matrix read"
    emit(row(name, values, found["ours"]["peak_mb"] / matrix, BOUND, least=False))


if __name__ == "__main__":
    main()
