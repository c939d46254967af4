"""The tables of docs/benchmark.md are those of the CSV files that are kept beside it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from bench.benchmark_tables import tables
from bench.markers import table_in
from bench.merged import merged
from dokunuki.evaluation.metrics import read_metrics

DOCS = Path(__file__).parents[2] / "docs"
FOLDER = DOCS / "benchmark"


@pytest.fixture(scope="module")
def made():
    return tables(FOLDER)


@pytest.mark.parametrize("name", ["benchmark-attacks", "benchmark-defences", "benchmark-corpora"])
def test_the_page_has_the_tables_of_its_files(made, name):
    assert table_in((DOCS / "benchmark.md").read_text(encoding="utf-8"), name) == made[name]


@pytest.mark.parametrize("folder", sorted(path.parent for path in FOLDER.glob("*/standings.csv")))
def test_the_files_are_of_the_parts(folder):
    metrics = merged(sorted((folder / "parts").glob("*-metrics.csv")), read_metrics)
    cells = pd.read_csv(folder / "leaderboard.csv")
    keys = ["attack", "defence", "classifier"]
    means = metrics.astype({"asr": "float64"}).groupby(keys)["asr"].mean()
    kept = cells.set_index(keys)["asr_mean"].dropna()
    assert len(kept) == means.count()
    assert (means[kept.index] - kept).abs().max() < 1e-5
