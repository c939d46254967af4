"""The workflow itself, on a release of a few hundred rows and networks of a few units."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from dokunuki.corpus.vectors import read_vectors
from dokunuki.evaluation.metrics import read_metrics
from dokunuki.files import read_json

REPOSITORY = Path(__file__).resolve().parents[2]
PARTS = ("Snakefile", "config.yaml", "workflow", "profiles", "envs")
TINY = {
    "sample": {"rows": 100, "test_share": 0.2, "validation_malware": 40},
    "grid": {
        "datasets": ["ember"],
        "attacks": ["independent", "fgsm-flip"],
        "seeds": [0],
        "trigger_sizes": [2, 4],
        "poison_rates": [0, 5],
        "fixed_trigger_size": 4,
        "fixed_poison_rate": 5,
    },
    "classifiers": {"embernn": {"params": {"hidden": [16], "epochs": 2, "batch_size": 16}}},
    "autoencoders": {"paper": {"params": {"hidden": 16, "code": 4, "epochs": 2, "batch_size": 32}}},
    "surrogate": {"shap_background": 5, "shap_samples": 2},
}
DEFENCES = 4
# Per attack: N = 2 and N = 4 at p = 5 %, and N = 4 at p = 0.
CELLS = 3

pytestmark = pytest.mark.workflow


class Checkout:
    """A copy of the workflow in a folder of its own, to run and to edit."""

    def __init__(self, folder: Path, release: Path, config: dict) -> None:
        self.folder = folder
        for part in PARTS:
            source = REPOSITORY / part
            copy = shutil.copytree if source.is_dir() else shutil.copy2
            copy(source, folder / part)
        overlay = {**config, "datasets": {"ember": {"kind": "ember", "path": str(release)}}}
        (folder / "overlay.yaml").write_text(yaml.safe_dump(overlay))

    def snakemake(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "snakemake", "--configfile", "overlay.yaml", *arguments]
        # The copied library, not the installed one, is what an edit here changes.
        environment = {**os.environ, "PYTHONPATH": str(self.folder / "workflow")}
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(done.stdout[-4000:] + done.stderr[-4000:])
        return done

    def planned(self, *arguments: str) -> dict[str, int]:
        """What a dry run would do: jobs by rule."""
        done = self.snakemake("-n", "--cores", "1", *arguments)
        jobs = {}
        inside = False
        for line in (done.stdout + done.stderr).splitlines():
            if line.startswith("job ") and "count" in line:
                inside = True
            elif inside and not line.strip():
                break
            elif inside and not line.startswith("---"):
                rule, count = line.split()
                jobs[rule] = int(count)
        jobs.pop("total", None)
        return jobs

    def metrics(self):
        return read_metrics(self.folder / "results" / "metrics.csv")

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))


@pytest.fixture(scope="module")
def built(tmp_path_factory, tiny_release) -> Checkout:
    checkout = Checkout(tmp_path_factory.mktemp("built"), tiny_release, TINY)
    checkout.snakemake("--cores", "2")
    return checkout


@pytest.fixture
def edited(built, tmp_path) -> Checkout:
    """A copy of the built tree, results and Snakemake's records included, to edit."""
    folder = tmp_path / "copy"
    shutil.copytree(built.folder, folder, copy_function=shutil.copy2)
    copy = object.__new__(Checkout)
    copy.folder = folder
    return copy


def test_every_cell_has_a_row_and_every_attack_its_panels(built):
    metrics = built.metrics()
    assert len(metrics) == DEFENCES * (1 + 2 * CELLS)
    assert set(metrics["status"]) == {"ok"}
    assert set(metrics.loc[metrics["attack"] != "none", "poison_rows"]) == {0, 4}
    figures = built.folder / "results" / "figures" / "ember" / "embernn"
    names = {path.name for path in (figures / "independent").iterdir()}
    panels = ("asr-over-n", "asr-over-p", "accuracy-over-n", "accuracy-over-p", "page")
    assert names == {f"{panel}.{suffix}" for panel in panels for suffix in ("svg", "png")}


def test_the_report_holds_figures_tables_and_configuration(built):
    report = (built.folder / "results" / "report.html").read_text()
    for name in ("asr-over-n.svg", "page.svg", "metrics.csv", "triggers.html", "config.html"):
        assert name in report


def test_what_follows_from_the_method_holds_in_the_table(built):
    metrics = built.metrics().set_index(["attack", "trigger_size", "poison_rate", "defence"])
    reference = metrics.loc[("none", 0, 0.0)]
    # Clean-label attacks change no column that Deletion keeps: it is the reference detector.
    deletion = metrics.loc[("independent", 4, 5.0, "deletion")]
    assert deletion["accuracy"] == reference.loc["deletion", "accuracy"]
    assert deletion["asr"] == reference.loc["deletion", "fnr_validation"]
    # Without poison the detector is the reference itself: poisoning caused nothing.
    evasion = metrics.loc[("independent", 4, 0.0)]
    assert (evasion["delta_asr"].astype(float) == 0).all()
    assert (evasion["accuracy"] == reference.loc[evasion.index, "accuracy"]).all()


def test_a_second_run_has_nothing_to_do(built):
    done = built.snakemake("--cores", "2")
    assert "Nothing to be done" in done.stdout + done.stderr


def test_the_number_of_cores_changes_no_byte_of_the_metrics(built, tmp_path, tiny_release):
    config = {**TINY, "grid": {**TINY["grid"], "attacks": ["independent"], "trigger_sizes": [4]}}
    alone = Checkout(tmp_path, tiny_release, config)
    alone.snakemake("--cores", "1", "metrics")
    rows = (alone.folder / "results" / "metrics.csv").read_text().splitlines()
    together = (built.folder / "results" / "metrics.csv").read_text().splitlines()
    assert len(rows) == 1 + DEFENCES * 3
    assert set(rows) <= set(together)


RERUNS = [
    # file, old text, new text, rules that a dry run plans (besides all)
    ("workflow/dokunuki/corpus/layout.py", '"""The layout of', '"""Layout of', set()),
    (
        "workflow/dokunuki/figures/style.py",
        "PNG_DPI = 150",
        "PNG_DPI = 151",
        {"plot_panels", "write_report"},
    ),
    ("workflow/report/page.rst", "mean and", "average and", {"write_report"}),
    (
        "workflow/dokunuki/evaluation/measures.py",
        "MALWARE_THRESHOLD = 0.5",
        "MALWARE_THRESHOLD = 0.4",
        {"collect_metrics", "plot_panels", "write_tables", "write_report"},
    ),
]


@pytest.mark.parametrize(("file", "old", "new", "rules"), RERUNS)
def test_an_edit_reruns_what_it_touches(edited, file, old, new, rules):
    edited.edit(file, old, new)
    assert set(edited.planned()) - {"all"} == rules


def test_an_edit_of_the_autoencoder_reruns_the_columns_that_use_it(edited):
    edited.edit("workflow/dokunuki/defences/autoencoder.py", "code: int = 512", "code: int = 256")
    planned = edited.planned()
    poisoned_cells = 2 * (CELLS - 1)
    assert planned["train_autoencoder"] == 1 + poisoned_cells
    assert planned["train_reference"] == 2
    assert planned["train_victim"] == 2 * poisoned_cells
    assert planned["score_evasion"] == 2 * 2
    assert not {"train_surrogate", "select_trigger", "poison_rows"} & planned.keys()


def test_another_precision_retrains_and_nothing_before_training_is_done_again(built):
    planned = built.planned("--config", "compute={precision: float32}")
    assert {"train_surrogate", "train_autoencoder", "train_reference", "train_victim"} <= set(
        planned
    )
    assert not {"index_corpus", "draw_sample", "vectorise_rows"} & planned.keys()


def test_touching_every_file_reruns_nothing(edited):
    for path in edited.folder.glob("workflow/**/*"):
        path.touch()
    assert not edited.planned()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("grid={seedss: [1]}", "grid.seedss: unknown key; did you mean 'seeds'?"),
        ("grid={attacks: [greddy]}", "unknown attack 'greddy'; did you mean 'greedy'?"),
        ("datasets={ember: {path: nowhere}}", "nowhere: no such file or folder"),
    ],
)
def test_a_wrong_configuration_stops_at_once(built, change, message):
    done = built.snakemake("-n", "--cores", "1", "--config", change, check=False)
    assert done.returncode != 0
    assert message in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_missing_gpu_is_noticed_before_any_job(tmp_path, tiny_release):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    checkout = Checkout(tmp_path, tiny_release, {**TINY, "compute": {"device": "cuda"}})
    done = checkout.snakemake("--cores", "1", check=False)
    assert done.returncode != 0
    assert "'cuda' was asked for" in done.stdout + done.stderr
    assert not (tmp_path / "results" / "ember").exists()


def test_a_bad_row_names_file_and_line_and_leaves_nothing_behind(tmp_path, tiny_release):
    release = shutil.copytree(tiny_release, tmp_path / "release")
    file = release / "train_features_3.jsonl"
    lines = file.read_text().splitlines()
    lines[7] = lines[7][:500]
    file.write_text("\n".join(lines) + "\n")
    (tmp_path / "checkout").mkdir()
    checkout = Checkout(tmp_path / "checkout", release, TINY)
    done = checkout.snakemake("--cores", "1", "metrics", check=False)
    assert done.returncode != 0
    assert "train_features_3.jsonl:8" in done.stdout + done.stderr
    assert not (checkout.folder / "results" / "ember" / "index.h5").exists()


def test_simulated_and_real_rows_take_the_same_way(tmp_path, tiny_release):
    checkout = Checkout(tmp_path, tiny_release, TINY)
    small = "datasets={simulated: {rows: 300, families: 20, vendors: 20}}"
    target = "results/simulated/seed-0/vectors.h5"
    checkout.snakemake("--cores", "2", "--config", small, "--", target)
    vectors = read_vectors(tmp_path / target)
    assert vectors.corpus == "simulated"
    assert len(vectors.part("train")[1]) == 80
    report = read_json(tmp_path / "results" / "simulated" / "corpus.json")
    assert report["rows"]["usable"] == 300


OWN_PARTS = """
import numpy as np
from sklearn.base import BaseEstimator


class Median(BaseEstimator):
    def fit(self, X, y=None):
        self.median_ = np.median(X, axis=0)
        return self

    def transform(self, X):
        return (X > self.median_).astype(np.float32)


class DropLargest(BaseEstimator):
    def fit_resample(self, X, y):
        distance = np.abs(X).sum(axis=1)
        keep = distance <= np.quantile(distance, 0.9)
        return X[keep], y[keep]
"""


def test_parts_of_others_and_of_ones_own_need_no_glue(tmp_path, tiny_release):
    forest = "sklearn.ensemble.RandomForestClassifier"
    config = {
        **TINY,
        "grid": {
            **TINY["grid"],
            "attacks": ["independent"],
            "trigger_sizes": [4],
            "defences": ["none", "pca", "median", "drop"],
            "classifiers": ["forest", "lightgbm"],
        },
        "defences": {
            "pca": {"class": "sklearn.decomposition.PCA", "params": {"n_components": 8}},
            "median": {"class": "own_parts.Median"},
            "drop": {"class": "own_parts.DropLargest", "label": "Drop largest"},
        },
        "classifiers": {
            **TINY["classifiers"],
            "forest": {"class": forest, "params": {"n_estimators": 20}, "label": "Forest"},
        },
    }
    checkout = Checkout(tmp_path, tiny_release, config)
    (tmp_path / "workflow" / "own_parts.py").write_text(OWN_PARTS)
    checkout.snakemake("--cores", "2", "metrics")
    metrics = checkout.metrics()
    assert set(metrics["status"]) == {"ok"}
    assert len(metrics) == 4 * 2 * 3


def test_the_papers_grid_is_planned_whole(tmp_path, tiny_release):
    checkout = Checkout(tmp_path, tiny_release, {})
    preset = str(REPOSITORY / "workflow" / "presets" / "paper.yaml")
    planned = checkout.planned("--configfile", preset, "overlay.yaml")
    seeds, attacks, poisoned = 5, 3, 9
    assert planned["train_victim"] == seeds * attacks * poisoned * DEFENCES
    assert planned["train_autoencoder"] == seeds * (1 + attacks * poisoned)
    assert planned["plot_panels"] == attacks
