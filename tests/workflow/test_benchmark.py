"""The benchmark's target, on a release of a few hundred rows and networks of a few units."""

from __future__ import annotations

import pandas as pd
import pytest

from checkout import REPOSITORY, TINY, Checkout, Job, report_text

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
        *(
            f"{page}.{suffix}"
            for page in ("leaderboard", "attacks", "details")
            for suffix in ("md", "html")
        ),
        *("leaderboard.csv", "standings.csv"),
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
    for name in (
        "attacks.html",
        "leaderboard.html",
        "details.html",
        "leaderboard.csv",
        "pareto.svg",
        "heatmap.svg",
    ):
        assert f"results/benchmark/{name}" in report
    opening = report_text(report)
    assert "Benchmark" in opening
    assert not any(word in opening for word in ("Answer", "Pages", "Panels"))
    # A label changes what is shown, and nothing is trained.
    change = ("--config", "defences={deletion: {label: Without}}")
    rules = {"write_leaderboard", "write_tables", "write_benchmark_report"}
    assert {job.rule for job in checkout.planned("benchmark", *change)} - {"benchmark"} == rules
    assert checkout.planned("benchmark") <= {Job("benchmark")}


MODULE = """
import numpy as np


class Rounding:
    \"\"\"A transformer of one's own: nothing finer than `step` standard deviations is seen.\"\"\"

    def __init__(self, step=1.0, region="all"):
        self.step = step
        self.region = region

    def get_params(self, deep=True):
        return {"step": self.step, "region": self.region}

    def set_params(self, **params):
        self.__dict__ |= params
        return self

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return (np.round(X / self.step) * self.step).astype(np.float32)
"""
ENTRY = """
class: rounding.Rounding
params: {step: 0.5}
label: Rounding to half a deviation
family: representation
paper: a reader
"""
VARIANT = """
extends: rounding
params: {region: non_hashed}
label: Rounding, settable columns
"""


def test_a_defence_in_a_folder_of_ones_own_stands_in_the_smoke_leaderboard(tmp_path, tiny_release):
    """Module and catalogue entry are all that a new defence takes."""
    grid = {
        "attacks": ["fgsm-flip"],
        "classifiers": ["embernn"],
        "defences": ["none", "rounding", "rounding-settable", "rounding-deletion"],
        "restricted": {"embernn": ["none", "rounding", "rounding-settable", "rounding-deletion"]},
    }
    steps = {"rounding-deletion": {"steps": ["rounding", "deletion"], "label": "Both"}}
    config = {"catalogue": ["my/methods"], "grid": grid, "defences": steps}
    checkout = Checkout(tmp_path, tiny_release, config)
    folder = tmp_path / "my" / "methods"
    (folder / "defences").mkdir(parents=True)
    (folder / "rounding.py").write_text(MODULE)
    (folder / "defences" / "rounding.yaml").write_text(ENTRY)
    (folder / "defences" / "rounding-settable.yaml").write_text(VARIANT)
    smoke = str(REPOSITORY / "workflow" / "presets" / "smoke.yaml")
    run = ("--configfile", smoke, "overlay.yaml", "--")
    checkout.snakemake("--cores", "2", *run, "benchmark")
    leaderboard = (tmp_path / "results" / "benchmark" / "leaderboard.md").read_text()
    assert (
        "| Rounding to half a deviation | a trigger within the attackable columns |" in leaderboard
    )
    assert "| Rounding, settable columns | a trigger within the non-hashed columns |" in leaderboard
    cells = pd.read_csv(tmp_path / "results" / "benchmark" / "leaderboard.csv")
    assert set(cells["defence"]) == set(grid["defences"])
    assert set(cells["status"]) == {"ok"}
    # An edit of one's own module reruns what uses it, as an edit of the library's does.
    checkout.edit("my/methods/rounding.py", "np.round(X", "np.floor(X")
    jobs = checkout.planned(*run[:-1], "--", "benchmark")
    trained = {job.defence for job in jobs if job.rule.startswith("train_") and job.defence}
    assert trained == {"rounding", "rounding-settable", "rounding-deletion"}
