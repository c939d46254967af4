"""How fast raw rows are vectorised, on one core and in CPU time.

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
from dokunuki.corpus.jsonl import vectors_of_lines
from dokunuki.corpus.layout import feature_layout
from dokunuki.corpus.protocol import BATCH_ROWS
from dokunuki.corpus.release import open_release
from dokunuki.corpus.vectoriser import entry_name_hashes, vectorise

ROWS = 1024
EMBER_ROWS = 128


def main() -> None:
    """Measure vectorising."""
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


if __name__ == "__main__":
    main()
