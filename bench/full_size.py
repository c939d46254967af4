"""One cell at EMBER's real size, 600,000 training rows: memory and time of every rule.

Runs Snakemake in a scratch folder, on simulated rows: from the corpus over the surrogate, its
explanation, trigger, poison, autoencoder, EmberNN and LightGBM to the report. The attacker knows
`--share` percent of the training rows; the surrogate is trained on these, and all of them are
explained. Networks are as wide as the paper's, and trained for `--epochs` epochs. While it runs,
the processes of every job are looked at four times a second (bench.scaling). "Matrix" is all rows
of `vectors.h5` as float32, as in docs/scaling.md.
Usage: python -m bench.full_size [--rows N] [--epochs E] [--share P] [--cores N] [--folder FOLDER]
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.harness import emit, machine, row
from bench.material import configuration
from bench.scaling import VALIDATION_MALWARE, Run, corpus_rows, matrix_mib

if TYPE_CHECKING:
    import pandas as pd

TRAINING_ROWS = 600_000
TEST_SHARE = 0.2
ATTACK = "fgsm-flip-all-3"
BOUND = 1.6


class Cell(Run):
    """The workflow of one cell in a scratch folder."""

    def __init__(self, folder: Path, arguments: argparse.Namespace) -> None:
        super().__init__(folder, round(arguments.rows / (1 - TEST_SHARE)), arguments.cores)
        self._arguments = arguments

    def overlay(self, surrogate: str) -> dict[str, object]:
        """The configuration of the cell."""
        epochs = {"epochs": self._arguments.epochs}
        autoencoder = configuration(["paper"])["autoencoders"]["paper"]["params"]
        return {
            "datasets": {"simulated": {"rows": corpus_rows(self.rows)}},
            "sample": {
                "rows": self.rows,
                "test_share": TEST_SHARE,
                "validation_malware": VALIDATION_MALWARE,
            },
            "grid": {
                "datasets": ["simulated"],
                "attacks": [ATTACK],
                "defences": ["ae"],
                "classifiers": ["embernn-paper", "lightgbm"],
                "seeds": [0],
                "trigger_sizes": [32],
                "poison_rates": [1],
                "fixed_trigger_size": 32,
                "fixed_poison_rate": 1,
            },
            "surrogate": {"classifier": surrogate, "shap_samples": 50},
            "attacks": {ATTACK: {"attacker_share": self._arguments.share}},
            "classifiers": {"embernn-paper": {"params": epochs}},
            "autoencoders": {"paper": {"params": {**autoencoder, **epochs}}},
            "compute": {"device": "cpu", "threads": 1, "seeds_a_job": 1},
        }


def lines(measured: pd.DataFrame, matrix: float) -> list[dict[str, object]]:
    """A line for each rule, the largest first."""
    return [
        {
            "rule": rule["name"],
            "jobs": rule["jobs"],
            "processor minutes of a job": round(rule["cpu_s"] / 60, 2),
            "peak MiB": round(rule["peak_mib"]),
            "of the matrix": round(rule["peak_mib"] / matrix, 3),
        }
        for rule in measured.sort_values("peak_mib", ascending=False).to_dict("records")
    ]


def main() -> None:
    """Run the cell and print the rules."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=TRAINING_ROWS, help="training rows")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--share", type=float, default=2, help="percent that the attacker knows")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--folder", help="where to work, and to leave the results")
    arguments = parser.parse_args()
    settings = {"epochs": arguments.epochs, "attacker_share": arguments.share}
    emit(machine(["snakemake", "torch", "lightgbm"], benchmark="full_size", **settings))
    with contextlib.ExitStack() as stack:
        folder = arguments.folder or stack.enter_context(
            tempfile.TemporaryDirectory(prefix="full-size-")
        )
        Path(folder).mkdir(parents=True, exist_ok=True)
        cell = Cell(Path(folder), arguments)
        start = time.perf_counter()
        measured = cell.build("all").table(cell.rows)
        hours = (time.perf_counter() - start) / 3600
        files = (path for path in (cell.folder / "results").rglob("*") if path.is_file())
        gigabytes = sum(path.stat().st_size for path in files) / 1e9
    matrix = matrix_mib(cell.rows)
    found = lines(measured, matrix)
    largest = measured["peak_mib"].idxmax()
    cpu = float((measured["jobs"] * measured["cpu_s"]).sum()) / 3600
    figures = {"hours": hours, "processor_hours": cpu, "matrix_mib": matrix, "disk_gb": gigabytes}
    name = (
        f"one cell, {arguments.rows} training rows: peak memory of any rule over the matrix "
        f"({measured.loc[largest, 'name']})"
    )
    emit(row(name, figures, measured.loc[largest, "peak_mib"] / matrix, BOUND, least=False))
    for line in found:
        emit(line)


if __name__ == "__main__":
    main()
