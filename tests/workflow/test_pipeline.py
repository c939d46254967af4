"""The workflow itself, on a release of a few hundred rows and networks of a few units."""

from __future__ import annotations

import re
import shutil
from collections import Counter

import numpy as np
import pytest
import yaml

from checkout import CELLS, DEFENCES, REPOSITORY, TINY, Checkout, Job, report_text
from dokunuki.attacks.poisoning import read_poison
from dokunuki.attacks.row_choice import shuffled_rows
from dokunuki.attacks.trigger import read_trigger
from dokunuki.corpus.vectors import read_vectors
from dokunuki.detector import Detector
from dokunuki.storage.arrays import open_arrays, read_attributes
from dokunuki.storage.files import read_json
from dokunuki.study.grid import Cell, cell_of_id
from dokunuki.surrogate.explaining import explain_surrogate
from dokunuki.surrogate.explanations import read_explanations
from html_reader import Reader

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def built(tmp_path_factory, tiny_release) -> Checkout:
    checkout = Checkout(tmp_path_factory.mktemp("built"), tiny_release, TINY)
    checkout.snakemake("--cores", "2")
    return checkout


@pytest.mark.promise(6)
def test_every_cell_has_a_row_and_every_attack_its_panels(built):
    metrics = built.metrics()
    assert len(metrics) == DEFENCES * (1 + 2 * CELLS)
    assert set(metrics["status"]) == {"ok"}
    assert set(metrics.loc[metrics["attack"] != "none", "poison_rows"]) == {0, 4}
    figures = built.folder / "results" / "figures" / "ember" / "embernn"
    names = {path.name for path in (figures / "independent").iterdir()}
    measures = ("asr", "delta-asr", "accuracy")
    panels = [*(f"{measure}-over-{axis}" for measure in measures for axis in "np"), "page"]
    assert names == {f"{panel}.{suffix}" for panel in panels for suffix in ("svg", "png")}
    assert {path.name for path in figures.glob("*.*")} == {"answer.svg", "answer.png"}


@pytest.mark.promise(3)
def test_paths_hold_ids_and_the_table_their_numbers(built):
    results = built.folder / "results"
    odd = re.compile(r"\d\.\d|[^\w.-]")
    assert [path.name for path in results.rglob("*") if odd.search(path.name)] == []
    metrics = built.metrics()
    wanted = metrics.loc[metrics["poison_rate"] > 0, ["attack", "trigger_size", "poison_rate"]]
    cells = {cell_of_id(path.name) for path in (results / "ember" / "seed-0").glob("*-n*-p*")}
    assert cells == {Cell(*row) for row in wanted.itertuples(index=False)}


@pytest.mark.promise(5)
def test_more_sizes_and_rates_are_more_victims_and_nothing_else(built):
    more = "grid={trigger_sizes: [1, 2, 3, 4], poison_rates: [0, 2.5, 5, 10]}"
    few = Counter(job.rule for job in built.planned("--forceall"))
    many = Counter(job.rule for job in built.planned("--forceall", "--config", more))
    assert {rule for rule in many if many[rule] != few[rule]} == {
        "train_autoencoder",
        "train_victim",
    }
    assert few["plant_trigger"] == few["score_evasion"] == 2  # one for each attack


@pytest.mark.promise(7)
def test_what_a_run_leaves_is_of_formats_that_run_no_code(built):
    left = (built.folder / "results").rglob("*")
    files = [path for path in left if path.is_file() and path.name != ".snakemake_timestamp"]
    known = "csv h5 html json jsonl log png safetensors sha256 svg tsv yaml"
    assert {path.suffix for path in files} <= {f".{suffix}" for suffix in known.split()}


def test_the_report_holds_figures_tables_and_configuration(built):
    report = (built.folder / "results" / "report.html").read_text()
    for name in ("asr-over-n.svg", "page.svg", "metrics.csv", "triggers.html", "config.html"):
        assert name in report


def test_the_report_opens_with_the_answer(built):
    opening = Reader(report_text((built.folder / "results" / "report.html").read_text()))
    metrics = built.metrics()
    metrics = metrics[(metrics["trigger_size"] == 4) & (metrics["poison_rate"] == 5)]
    for attack, rows in metrics.groupby("attack"):
        for row in rows.to_dict("records"):
            shown = [f"{100 * float(row[name]):.1f}" for name in ("accuracy", "asr")]
            assert any(
                shown == [text.lstrip("▸ ") for text in cells[-3:-1]] for cells in opening.rows
            ), (
                attack,
                row["defence"],
            )
    assert "One seed, and therefore no interval." in opening.text
    (image,) = [attributes for tag, attributes in opening.seen if tag == "img"]
    assert image["src"].startswith("data:image/svg+xml;base64,")
    # What this run did not make is not spoken of.
    assert "Panels" in opening.text
    assert "Benchmark" not in opening.text


def test_what_follows_from_the_method_holds_in_the_table(built):
    metrics = built.metrics().set_index(["attack", "trigger_size", "poison_rate", "defence"])
    unpoisoned = metrics.loc[("none", 0, 0.0)]
    # Clean-label attacks change no column that Deletion keeps: it is the unpoisoned detector.
    deletion = metrics.loc[("independent", 4, 5.0, "deletion")]
    assert deletion["accuracy"] == unpoisoned.loc["deletion", "accuracy"]
    assert deletion["asr"] == unpoisoned.loc["deletion", "fnr_validation"]
    # At p = 0 the detector is the unpoisoned one: poisoning caused nothing.
    evasion = metrics.loc[("independent", 4, 0.0)]
    assert (evasion["delta_asr"].astype(float) == 0).all()
    assert (evasion["accuracy"] == unpoisoned.loc[evasion.index, "accuracy"]).all()


def test_a_second_run_has_nothing_to_do(built):
    done = built.snakemake("--cores", "2")
    assert "Nothing to be done" in done.stdout + done.stderr


@pytest.mark.promise(8)
def test_the_number_of_cores_changes_no_byte_of_the_metrics(built, tmp_path, tiny_release):
    part = {"attacks": ["independent"], "defences": ["none", "ae"], "trigger_sizes": [4]}
    alone = Checkout(tmp_path, tiny_release, {**TINY, "grid": {**TINY["grid"], **part}})
    alone.snakemake("--cores", "1", "metrics")
    rows = (alone.folder / "results" / "metrics.csv").read_text().splitlines()
    together = (built.folder / "results" / "metrics.csv").read_text().splitlines()
    assert len(rows) == 1 + 2 * 3
    assert set(rows) <= set(together)


def test_a_seed_may_share_the_sample_of_another(built):
    split = "results/ember/seed-{}/split.csv"
    for seed, changes in ((7, {}), (8, {"sample": 0}), (9, {"poison": 0})):
        change = f"seeds={{{seed}: {changes}}}"
        built.snakemake("--cores", "1", split.format(seed), "--config", change)
    first, own, shared, other = (
        (built.folder / split.format(seed)).read_bytes() for seed in (0, 7, 8, 9)
    )
    assert shared == first
    assert first not in (own, other)


def test_a_restricted_classifier_is_trained_with_its_defences_alone(built):
    grid = "grid={classifiers: [embernn, lightgbm], restricted: {lightgbm: [none]}}"
    jobs = built.planned("--config", grid)
    trained = {job for job in jobs if job.classifier == "lightgbm" and job.defence}
    assert {job.defence for job in trained} == {"none"}
    assert {job.rule for job in trained} == {"train_unpoisoned", "train_victim"}


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


def test_a_key_that_stands_twice_in_an_overlay_stops_at_once(tmp_path, tiny_release):
    checkout = Checkout(tmp_path, tiny_release, TINY)
    overlay = tmp_path / "mine.yaml"
    for text, planned in (
        ("seeds: {1: {}}\ngrid: {seeds: [1]}\n", True),
        ("grid: {seeds: [1]}\nseeds: {1: {}}\ngrid: {seeds: [2]}\n", False),
    ):
        overlay.write_text(text)
        command = ("-n", "--cores", "1", "--configfile", str(overlay), "--", "metrics")
        done = checkout.snakemake(*command, check=False)
        said = done.stdout + done.stderr
        assert ("mine.yaml, line 3: " in said and "'grid' appears twice" in said) is not planned
        assert (done.returncode == 0) is planned
        assert "Traceback" not in said


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

from dokunuki.attacks.independent import IndependentSelection


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


class LastRowsHalfTrigger(IndependentSelection):
    def poison_order(self, knowledge, candidates):
        assert len(candidates) == 2 * (knowledge.y == 0).sum()
        return np.arange(len(candidates))[::-1]

    def poison_mask(self, count, size, seed):
        return np.arange(count)[:, None] % 2 == np.arange(size) % 2
"""


def test_parts_of_others_and_of_ones_own_need_no_glue(tmp_path, tiny_release):
    forest = "sklearn.ensemble.RandomForestClassifier"
    config = {
        **TINY,
        "grid": {
            **TINY["grid"],
            "attacks": ["halves"],
            "trigger_sizes": [4],
            "defences": ["none", "components", "median", "drop"],
            "classifiers": ["forest", "lightgbm"],
        },
        "attacks": {
            "halves": {
                "class": "own_parts.LastRowsHalfTrigger",
                "surrogate": "lightgbm",
                "attacker_share": 50,
            }
        },
        "defences": {
            "components": {"class": "sklearn.decomposition.PCA", "params": {"n_components": 8}},
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
    attack = tmp_path / "results" / "ember" / "seed-0" / "attacks" / "halves"
    poison, trigger = read_poison(attack / "poison.h5"), read_trigger(attack / "trigger.json")
    vectors = read_vectors(attack.parents[1] / "vectors.h5")
    rows, labels = vectors.part("train")
    assert np.array_equal(poison.indices, shuffled_rows(labels, 0, seed=0)[::-1][: poison.count])
    stamped = np.arange(poison.count)[:, None] % 2 == np.arange(trigger.size) % 2
    own = rows[np.ix_(poison.indices, trigger.indices)]
    assert np.array_equal(poison.values, np.where(stamped, trigger.values, own))


def test_the_shap_package_may_explain_the_surrogates(tmp_path, tiny_release):
    independent = "dokunuki.attacks.independent.IndependentSelection"
    config = {
        **TINY,
        "surrogate": {**TINY["surrogate"], "explainer": "shap"},
        "attacks": {"by-trees": {"class": independent, "surrogate": "lightgbm"}},
        "classifiers": {
            **TINY["classifiers"],
            "lightgbm": {"params": {"n_estimators": 5, "min_child_samples": 5}},
        },
    }
    checkout = Checkout(tmp_path, tiny_release, config)
    seed = tmp_path / "results" / "ember" / "seed-0"
    names = [f"attacks/{attack}/trigger.json" for attack in ("independent", "by-trees")]
    checkout.snakemake("--cores", "2", *(f"results/ember/seed-0/{name}" for name in names))
    vectors = read_vectors(seed / "vectors.h5")
    for name, surrogate in zip(names, ("embernn-10000", "lightgbm-10000"), strict=True):
        detector = Detector.load(seed / "surrogates" / surrogate / "detector")
        settings = {"background": 5, "samples": 2, "seed": 0}
        expected = explain_surrogate(detector, vectors, **settings, explainer="shap")
        path = seed / "surrogates" / surrogate / "shap.h5"
        explanations = read_explanations(path)[:]
        np.testing.assert_allclose(explanations, expected, rtol=1e-3, atol=1e-5)
        with open_arrays(path) as file:
            assert read_attributes(file)["explainer"] == "shap"
        first = read_trigger(seed / name).columns[0]
        total = np.abs(explanations[:, vectors.layout.non_hashed]).sum(axis=0, dtype=np.float64)
        assert first.reason["sum_abs_shap"] == pytest.approx(total.max())
        assert total.max() > 0


def test_the_papers_grid_is_planned_whole(tmp_path, tiny_release):
    checkout = Checkout(tmp_path, tiny_release, {})
    preset = REPOSITORY / "workflow" / "presets" / "paper.yaml"
    grid = yaml.safe_load(preset.read_text())["grid"]
    jobs = checkout.planned("--configfile", str(preset), "overlay.yaml")
    cells = [f"n{size:03d}-p0100" for size in (1, 2, 4, 8, 16, 32, 64, 128)]
    cells += [f"n008-p{rate:04d}" for rate in (50, 200, 400)]
    wanted = Counter(
        (str(seed), f"{attack}-{cell}", defence)
        for seed in grid["seeds"]
        for attack in ("independent-all", "greedy-all", "fgsm-flip-all-3")
        for cell in cells
        for defence in ("none", "deletion", "ae-enc", "ae")
    )
    victims = Counter(
        (job.seed, job.cell, job.defence)
        for job in jobs
        if job.rule == "train_victim" and job.classifier == "embernn-paper"
    )
    assert len(grid["seeds"]) == 5
    assert wanted <= victims
    # A cell's autoencoder serves both defences that name it.
    autoencoders = Counter(
        (job.seed, job.cell)
        for job in jobs
        if job.autoencoder == "paper" and job.rule.endswith("autoencoder")
    )
    assert Counter({(seed, cell): 1 for seed, cell, _ in wanted}) <= autoencoders
    assert max(autoencoders.values()) == 1


@pytest.mark.parametrize(("keep", "kept"), [("first_seed", {"seed-0"}), ("none", set())])
def test_autoencoders_stay_of_the_seeds_asked_for(tmp_path, tiny_release, keep, kept):
    grid = {"attacks": ["independent"], "defences": ["ae"], "trigger_sizes": [4], "seeds": [0, 1]}
    config = {**TINY, "grid": {**TINY["grid"], **grid}, "compute": {"keep_models": keep}}
    checkout = Checkout(tmp_path, tiny_release, config)
    checkout.snakemake("--cores", "2", "metrics")
    assert set(checkout.metrics()["status"]) == {"ok"}
    results = tmp_path / "results" / "ember"
    assert {
        path.relative_to(results).parts[0] for path in results.rglob("paper.safetensors")
    } == kept
    # What was deleted on purpose is not missed; detectors hold a copy of theirs.
    assert checkout.planned("metrics") <= {Job("metrics")}
    assert (
        len(list(results.glob("seed-*/unpoisoned/ae/embernn/detector/transformer-1.safetensors")))
        == 2
    )
