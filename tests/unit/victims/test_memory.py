"""No job holds its training rows twice."""

from __future__ import annotations

import importlib
import tracemalloc

import numpy as np
import pytest

from dokunuki.corpus.vectors import Vectors, read_vectors, write_vectors
from dokunuki.surrogate.explaining import explain_surrogate
from dokunuki.surrogate.training import train_surrogate
from dokunuki.victims.autoencoders import train_autoencoder
from dokunuki.victims.cost import write_cost
from dokunuki.victims.training import train_unpoisoned, train_victim
from toy_victims import AUTOENCODER, COMPUTE, LAYOUT, NETWORK, SPEC, poison_of


@pytest.fixture
def stored(tmp_path, monkeypatch) -> Vectors:
    """2,000 training rows left in their file, and blocks small enough not to be counted as rows."""
    for name in (
        "storage.row_blocks._BLOCK_ROWS",
        "networks.estimator.BLOCK_ROWS",
        "defences.autoencoder.BLOCK_ROWS",
        "surrogate.expected_gradients._ROWS_PER_BLOCK",
        "surrogate.shap_package._ROWS_PER_BLOCK",
    ):
        monkeypatch.setattr(f"dokunuki.{name}", 64)
    rng = np.random.default_rng(4)
    role = np.repeat(["train", "test", "validation"], [2000, 200, 100])
    y = np.arange(len(role), dtype=np.int8) % 2
    X = rng.integers(0, 3, size=(len(role), LAYOUT.width)).astype(np.float32)
    nothing = np.full(len(role), "")
    write_vectors(
        tmp_path / "vectors.h5",
        Vectors(X, y, nothing, nothing, role, LAYOUT, "toy", "ember"),
    )
    return read_vectors(tmp_path / "vectors.h5")


@pytest.mark.parametrize(
    "job", ["unpoisoned", "victim", "ae", "autoencoder", "explanation", "explanation by shap"]
)
def test_a_job_holds_its_training_rows_once(stored, trigger, tmp_path, job):
    small = {**NETWORK["params"], "epochs": 1, "hidden": [4], "batch_size": 64}
    spec = {**SPEC["none"], "classifier": {**NETWORK, "params": small}}
    weights = [str(tmp_path / "ae.safetensors"), str(tmp_path / "ae.json")]

    def autoencoder():
        write_cost(
            weights[1],
            train_autoencoder(stored, None, AUTOENCODER, seed=0, compute=COMPUTE, path=weights[0]),
        )

    def unpoisoned(parts=spec, files=None):
        scores, _ = train_unpoisoned(
            stored, parts, files, seed=0, compute=COMPUTE, folder=tmp_path / "unpoisoned"
        )
        return scores

    poison = poison_of(stored, trigger, rate=1)
    clean = unpoisoned() if job == "victim" else None
    if job == "ae":
        autoencoder()
    surrogate = train_surrogate(stored, spec["classifier"], seed=0, device="cpu", threads=1)
    jobs = {
        "unpoisoned": unpoisoned,
        "victim": lambda: train_victim(
            stored, poison, trigger, spec, None, seed=0, compute=COMPUTE, unpoisoned=clean
        ),
        "ae": lambda: unpoisoned({**SPEC["ae"], "classifier": spec["classifier"]}, weights),
        "autoencoder": autoencoder,
        "explanation": lambda: explain_surrogate(
            surrogate, stored, background=5, samples=1, seed=0
        ),
        "explanation by shap": lambda: explain_surrogate(
            surrogate, stored, background=5, samples=1, seed=0, explainer="shap"
        ),
    }
    importlib.import_module("shap")  # the modules' own memory is not the job's
    # Numpy reports its memory to tracemalloc. torch does not: see the tests of shared_tensor.
    tracemalloc.start()
    try:
        jobs[job]()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The rows, and what stands beside them in blocks; not those to be scored as well.
    assert 1 < peak / (2000 * LAYOUT.width * 4) < 1.3
