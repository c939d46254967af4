"""How fast raw rows are vectorised and a release is scanned, on one core and in CPU time.

Both vectorisers start from the same rows, once parsed and once as lines of JSON, which each parses
in its own way: the ember package's own loop is what its `vectorize` does to each row. The columns
of the entry section's name, which the package hashes in another way than the release did (see
`ember_vectoriser`), are left out of the comparison of values.
Usage: python -m bench.corpus [--rows N] [--rounds N]
"""

from __future__ import annotations

import argparse
import json
import time
import warnings

import numpy as np
import orjson

from bench.harness import emit, interleaved, machine, row
from bench.material import release
from dokunuki.corpus import ember_vectoriser
from dokunuki.corpus.index import build_index
from dokunuki.corpus.layout import feature_layout
from dokunuki.corpus.protocol import BATCH_ROWS
from dokunuki.corpus.release import open_release
from dokunuki.corpus.vectoriser import entry_name_hashes, vectorise

ROWS = 1024
EMBER_ROWS = 128


def main() -> None:
    """Measure vectorising and scanning."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=12000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    packages = ["numpy", "scikit-learn", "ember-mivia", "orjson", "msgspec"]
    emit(machine(packages, benchmark="corpus"))
    # scikit-learn warns of how the package calls it, once a row.
    warnings.simplefilter("ignore")
    folder = release(arguments.rows)
    opened = open_release(folder, 1)
    files = list(opened.files.values())
    with files[0].open("rb") as file:
        lines = [line for line, _ in zip(file, range(ROWS), strict=False)]
    extractor = ember_vectoriser._extractor(1)

    rows = [orjson.loads(line) for line in lines]

    def ours() -> np.ndarray:
        return vectorise(rows, 1)

    def theirs() -> np.ndarray:
        return np.array([extractor.process_raw_features(row) for row in rows[:EMBER_ROWS]])

    def ours_from_json() -> None:
        for start in range(0, len(lines), BATCH_ROWS):
            vectorise([orjson.loads(line) for line in lines[start : start + BATCH_ROWS]], 1)

    def theirs_from_json() -> None:
        for line in lines[:EMBER_ROWS]:
            extractor.process_raw_features(json.loads(line))

    compared = np.ones(vectorise([], 1).shape[1], dtype=bool)
    compared[entry_name_hashes([json.loads(lines[0])], feature_layout(1))[0]] = False
    same = np.array_equal(ours()[:EMBER_ROWS, compared], theirs()[:, compared])
    # The scan alone: a published release has no checksum of a whole file to compare.
    total_bytes = sum(file.stat().st_size for file in files)
    opened._streams = lambda: ((file.name, file.open("rb", 1 << 20)) for file in files)
    seconds = interleaved(
        {
            ("ours", "parsed"): ours,
            ("ember", "parsed"): theirs,
            ("ours", "JSON"): ours_from_json,
            ("ember", "JSON"): theirs_from_json,
            "scan": lambda: build_index(opened),
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
    rate = total_bytes / seconds["scan"] / 1e6
    emit(
        row(
            "scanning a release, rows checked in full: MB a second and core",
            {"row_bytes": total_bytes / arguments.rows, "seconds": seconds["scan"]},
            rate,
            200,
        )
    )


if __name__ == "__main__":
    main()
