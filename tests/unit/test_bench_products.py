"""How many operations the jobs of a grid took, on networks whose weights are counted by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.products import Products, epochs, weights
from dokunuki.corpus.layout import feature_layout
from dokunuki.corpus.vectors import Vectors, write_vectors
from dokunuki.storage.tensors import write_tensors
from dokunuki.victims.scores import OK, Scores, write_scores

BENCHMARKS = Path("results", "benchmarks")
ROWS = 100  # to train on
LOG = """10:07:18 explain network [####----------------]  20/100    0.4 s
10:07:19 EmberNN [#-------------------]  1/60  loss 0.3698  0.4 s
10:07:20 EmberNN [###-----------------] 12/60  loss 0.05364  2.5 s
"""


def network(path: Path, *shapes: tuple[int, ...]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tensors(path, {str(n): np.zeros(shape, "f4") for n, shape in enumerate(shapes)}, {})


def scored(path: Path, **changes: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    few = {
        "test": np.full(20, 0.5, "f4"),
        "validation": np.full(10, 0.5, "f4"),
        "triggered": np.full(10, 0.5, "f4"),
    }
    scores = Scores(
        status=OK,
        test_labels=np.arange(20, dtype=np.int8) % 2,
        train_rows=ROWS,
        device="cpu",
        **few,
        **{"poison_rows": 0, **changes},
    )
    write_scores(path, scores)


def logged(seed: Path, *names: str, text: str = LOG) -> Path:
    """The benchmark file of a job, whose log is written."""
    path = Path(*names)
    log = seed.parents[1] / "logs" / path.parent / f"{path.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(text, encoding="utf-8")
    return BENCHMARKS / path.parent / f"{path.name}.tsv"


@pytest.fixture
def seed(tmp_path):
    """The folder of a seed, with rows, a detector of 4 x 3 + 3 x 1 weights and its victim."""
    folder = tmp_path / "results" / "simulated" / "seed-0"
    folder.mkdir(parents=True)
    role = np.array(["train"] * ROWS + ["test"] * 7)
    texts = np.full(len(role), "")
    layout = feature_layout(1)
    X = np.zeros((len(role), layout.width), dtype=np.float32)
    y = np.zeros(len(role), dtype=np.int8)
    held = Vectors(X, y, texts, texts, role, layout, "simulated", "simulated")
    write_vectors(folder / "vectors.h5", held)
    detector = folder / "unpoisoned" / "none" / "embernn" / "detector"
    network(detector / "classifier.safetensors", (3, 4), (3,), (1, 3), ())
    scored(folder / "fgsm-n008-p0400" / "none" / "embernn" / "scores.h5", poison_rows=4)
    return folder


def test_only_matrices_are_weights(seed):
    path = seed / "unpoisoned" / "none" / "embernn" / "detector" / "classifier.safetensors"
    assert weights(path) == 15
    assert weights(path.with_suffix(".txt")) == 0


def test_epochs_are_the_last_that_the_log_of_a_training_names(tmp_path):
    (tmp_path / "log").write_text(LOG, encoding="utf-8")
    assert epochs(tmp_path / "log") == 12
    assert epochs(tmp_path / "none") == 0


def test_a_victim_trains_on_the_poison_too_and_scores(seed):
    path = logged(seed, "train_victim", "simulated", "seed-0", "fgsm-n008-p0400", "none", "embernn")
    done = Products(seed.parents[2], 50).of(path)
    assert done == 15 * (6 * 12 * 104 + 2 * 40)


def test_a_victim_that_took_scores_made_no_products(seed):
    path = logged(
        seed,
        *("train_victim", "simulated", "seed-0", "fgsm-n008-p0400", "none", "embernn"),
        text="its scores are taken\n",
    )
    assert Products(seed.parents[2], 50).of(path) == 0


def test_rows_that_a_filter_removed_are_not_trained_on(seed):
    cell = "fgsm-n008-p0100"
    counts = {"poison_removed": 1, "goodware_removed": 9, "malware_removed": 0, "goodware_rows": 50}
    scored(seed / cell / "none" / "embernn" / "scores.h5", poison_rows=1, **counts)
    path = logged(seed, "train_victim", "simulated", "seed-0", cell, "none", "embernn")
    assert Products(seed.parents[2], 50).of(path) == 15 * (6 * 12 * 91 + 2 * 40)


def test_an_autoencoder_sees_its_cells_poison(seed):
    network(seed / "fgsm-n008-p0400" / "autoencoders" / "paper.safetensors", (2, 4), (4, 2))
    path = logged(seed, "train_autoencoder", "simulated", "seed-0", "fgsm-n008-p0400", "paper")
    assert Products(seed.parents[2], 50).of(path) == pytest.approx(6 * 16 * 104 * 12)


def test_a_surrogate_knows_a_share_of_the_rows_and_is_explained_sample_by_sample(seed):
    network(seed / "surrogates" / "embernn-02500" / "detector" / "classifier.safetensors", (3, 5))
    products = Products(seed.parents[2], shap_samples=50)
    names = ("simulated", "seed-0", "embernn-02500")
    assert products.of(logged(seed, "train_surrogate", *names)) == 6 * 15 * 25 * 12
    assert products.of(logged(seed, "explain_surrogate", *names)) == 4 * 15 * 25 * 50


def test_other_rules_have_no_products(seed):
    assert Products(seed.parents[2], 50).of(BENCHMARKS / "write_report.tsv") == 0
