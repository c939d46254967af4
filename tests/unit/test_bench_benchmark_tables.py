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


def test_the_page_has_the_tables_of_its_files(made):
    page = (DOCS / "benchmark.md").read_text(encoding="utf-8")
    assert {"benchmark-attacks", "benchmark-defences"} <= set(made)
    assert {name: table_in(page, name) for name in made} == made


@pytest.mark.parametrize("folder", sorted(path.parent for path in FOLDER.glob("*/standings.csv")))
def test_the_files_are_of_the_parts(folder):
    metrics = merged(sorted((folder / "parts").glob("*-metrics.csv")), read_metrics)
    cells = pd.read_csv(folder / "leaderboard.csv")
    keys = ["attack", "defence", "classifier"]
    means = metrics.astype({"asr": "float64"}).groupby(keys)["asr"].mean()
    kept = cells.set_index(keys)["asr_mean"].dropna()
    assert len(kept) == means.count()
    assert (means[kept.index] - kept).abs().max() < 1e-5
