"""How fast raw rows are vectorised and a release is scanned, on one core and on two.

Rates are by processor time, of all processes together. The speed of two cores beside one is by the
clock, and needs two cores that nothing else uses. The release that is scanned has the files of a
smaller one several times over, so that the workers' start counts for as little as with a published
one. Like that it has no checksums of whole files.

Both vectorisers start from the same rows, once parsed and once as lines of JSON, which each parses
in its own way: the ember package's own loop is what its `vectorize` does to each row. The columns
of the entry section's name, which the package hashes in another way than the release did (see
`ember_vectoriser`), are left out of the comparison of values.
Usage: python -m bench.corpus [--rows N] [--rounds N] [--copies N]
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from typing import TYPE_CHECKING

import numpy as np
import orjson

from bench.harness import emit, interleaved, machine, row
from bench.material import BUILD, release
from dokunuki.corpus import ember_vectoriser
from dokunuki.corpus.index import build_index
from dokunuki.corpus.jsonl import vectors_of_lines
from dokunuki.corpus.layout import feature_layout
from dokunuki.corpus.protocol import BATCH_ROWS
from dokunuki.corpus.release import open_release
from dokunuki.corpus.vectoriser import entry_name_hashes, vectorise

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 1024
EMBER_ROWS = 128
CORES = 2


def main() -> None:
    """Measure vectorising and scanning."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=12000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--copies", type=int, default=16, help="of its files, to be scanned")
    arguments = parser.parse_args()
    packages = ["numpy", "scikit-learn", "ember-mivia", "orjson", "msgspec"]
    emit(machine(packages, benchmark="corpus"))
    # scikit-learn warns of how the package calls it, once a row.
    warnings.simplefilter("ignore")
    folder = release(arguments.rows)
    opened = open_release(folder, 1)
    with next(iter(opened.files.values())).open("rb") as file:
        lines = [line for line, _ in zip(file, range(ROWS), strict=False)]
    extractor = ember_vectoriser._extractor(1)

    rows = [orjson.loads(line) for line in lines]

    def ours() -> np.ndarray:
        return vectorise(rows, 1)

    def theirs() -> np.ndarray:
        return np.array([extractor.process_raw_features(row) for row in rows[:EMBER_ROWS]])

    def ours_from_json() -> None:
        for start in range(0, len(lines), BATCH_ROWS):
            vectors_of_lines(lines[start : start + BATCH_ROWS], vectorise, 1)

    def theirs_from_json() -> None:
        for line in lines[:EMBER_ROWS]:
            extractor.process_raw_features(json.loads(line))

    compared = np.ones(vectorise([], 1).shape[1], dtype=bool)
    compared[entry_name_hashes([json.loads(lines[0])], feature_layout(1))[0]] = False
    same = np.array_equal(ours()[:EMBER_ROWS, compared], theirs()[:, compared])
    seconds = interleaved(
        {
            ("ours", "parsed"): ours,
            ("ember", "parsed"): theirs,
            ("ours", "JSON"): ours_from_json,
            ("ember", "JSON"): theirs_from_json,
        },
        arguments.rounds,
        time.process_time,
    )
    for start in ("parsed", "JSON"):
        rate = len(lines) / seconds["ours", start]
        package_rate = EMBER_ROWS / seconds["ember", start]
        emit(
            row(
                f"vectorising {start} rows: rows a second beside the ember package",
                {"ours_rows_per_s": rate, "ember_rows_per_s": package_rate},
                rate / package_rate,
                8,
            )
        )
    emit(row("vectorising: values equal to the ember package's", {}, float(same), 1))
    large = _several_times(folder, arguments.copies)

    processor = dict.fromkeys((1, CORES), float("inf"))

    def scan(workers: int) -> None:
        start = _processor_seconds()
        build_index(open_release(large, 1), workers=workers)
        processor[workers] = min(processor[workers], _processor_seconds() - start)

    wall = interleaved({1: lambda: scan(1), CORES: lambda: scan(CORES)}, arguments.rounds)
    megabytes = open_release(large, 1).total_bytes / 1e6
    measured = {"MB": megabytes, "row_bytes": megabytes * 1e6 / (arguments.copies * arguments.rows)}
    for cores, name in ((1, "one core"), (CORES, "two cores")):
        emit(
            row(
                f"scanning a release on {name}, rows checked in full: MB a second and core",
                measured | {"processor_s": processor[cores], "wall_s": wall[cores]},
                megabytes / processor[cores],
                200,
            )
        )
    emit(
        row(
            "scanning a release on two cores: speed beside one core",
            {"load": os.getloadavg()[0], "one_s": wall[1], "two_s": wall[CORES]},
            wall[1] / wall[CORES],
            1.8,
        )
    )


def _several_times(folder: Path, copies: int) -> Path:
    """A release of a release's files, each that many times under other names, made of links."""
    target = BUILD / f"{folder.name}-times-{copies}"
    target.mkdir(exist_ok=True)
    files = sorted(folder.glob("*.jsonl"))
    for number in range(copies * len(files)):
        link = target / f"train_features_{number}.jsonl"
        if not link.exists():
            os.link(files[number % len(files)], link)
    return target


def _processor_seconds() -> float:
    """Processor time of this process and of those that it has started and seen end."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


if __name__ == "__main__":
    main()
