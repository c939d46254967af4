"""The benchmark's target, on a release of a few hundred rows and networks of a few units."""

from __future__ import annotations

import pandas as pd
import pytest

from checkout import TINY, Checkout, Job

pytestmark = pytest.mark.workflow

DEFENCES = ["none", "deletion"]


def test_the_target_builds_the_leaderboard_and_its_report(tmp_path, tiny_release):
    grid = {
        "attacks": ["independent"],
        "defences": DEFENCES,
        "trigger_sizes": [4],
        "poison_rates": [5],
    }
    checkout = Checkout(tmp_path, tiny_release, {**TINY, "grid": {**TINY["grid"], **grid}})
    checkout.snakemake("--cores", "2", "benchmark")
    folder = tmp_path / "results" / "benchmark"
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert names == {
        *(f"leaderboard.{suffix}" for suffix in ("md", "csv", "html")),
        *(f"{figure}.{suffix}" for figure in ("pareto", "heatmap") for suffix in ("svg", "png")),
        *(f"defences/{name}.md" for name in DEFENCES),
        "report.html",
    }
    cells = pd.read_csv(folder / "leaderboard.csv", keep_default_na=False)
    assert set(zip(cells["attack"], cells["defence"], strict=True)) == {
        (attack, defence) for attack in ("none", "independent") for defence in DEFENCES
    }
    assert set(cells["status"]) == {"ok"}
    report = (folder / "report.html").read_text()
    for name in ("leaderboard.html", "leaderboard.csv", "pareto.svg", "heatmap.svg"):
        assert f"results/benchmark/{name}" in report
    # A label changes what is shown, and nothing is trained.
    change = ("--config", "defences={deletion: {label: Without}}")
    rules = {"write_leaderboard", "write_tables", "write_benchmark_report"}
    assert {job.rule for job in checkout.planned("benchmark", *change)} - {"benchmark"} == rules
    assert checkout.planned("benchmark") <= {Job("benchmark")}
