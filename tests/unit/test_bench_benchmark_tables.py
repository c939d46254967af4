"""The tables of docs/benchmark.md are those of the CSV files that are kept beside it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from bench.benchmark_tables import IN_README, RUNS, tables
from bench.markers import table_in
from bench.material import configuration
from bench.merged import tables_of
from dokunuki.evaluation.metrics import read_metrics

DOCS = Path(__file__).parents[2] / "docs"
FOLDER = DOCS / "benchmark"


@pytest.fixture(scope="module")
def made():
    return tables(FOLDER)


def test_the_page_has_the_tables_of_its_files(made):
    page, readme = (
        path.read_text(encoding="utf-8") for path in (DOCS / "benchmark.md", FOLDER / "README.md")
    )
    assert len(made) == 4
    found = {name: table_in(readme if name in IN_README else page, name) for name in made}
    assert found == made


@pytest.mark.parametrize("folder", sorted(path.parent for path in FOLDER.glob("*/standings.csv")))
def test_the_files_are_of_the_parts(folder):
    run = RUNS[folder.name]
    parts = [FOLDER / part / "parts" for part in run.parts]
    metrics = tables_of(parts, configuration(run.presets), read_metrics, "metrics")
    cells = pd.read_csv(folder / "leaderboard.csv")
    keys = ["attack", "defence", "classifier"]
    means = metrics.astype({"asr": "float64"}).groupby(keys)["asr"].mean()
    kept = cells.set_index(keys)["asr_mean"].dropna()
    assert len(kept) == means.count()
    assert (means[kept.index] - kept).abs().max() < 1e-5
