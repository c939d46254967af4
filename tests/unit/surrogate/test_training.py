"""Surrogates of other kinds than the victim, made from a share of the training rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dokunuki.attacks.independent import IndependentSelection
from dokunuki.attacks.protocol import AttackerKnowledge
from dokunuki.corpus.layout import feature_layout
from dokunuki.corpus.vectors import Vectors
from dokunuki.detector import Detector
from dokunuki.errors import AttackError
from dokunuki.networks.settings import TrainingDivergedError
from dokunuki.surrogate.explaining import explain_surrogate
from dokunuki.surrogate.share import known_rows
from dokunuki.surrogate.training import train_surrogate
from toy_victims import DIVERGING

LIGHTGBM = {
    "name": "lightgbm",
    "class": "lightgbm.LGBMClassifier",
    "params": {"n_estimators": 5, "min_child_samples": 5, "deterministic": True, "verbosity": -1},
}
FOREST = {
    "name": "forest",
    "class": "sklearn.ensemble.RandomForestClassifier",
    "params": {"n_estimators": 2},
}
COMPUTE = {"device": "cpu", "threads": 1}
SETTINGS = {"background": 3, "samples": 1, "seed": 2}
TELLING = "num_sections"


@pytest.fixture(scope="module")
def vectors(layout):
    rng = np.random.default_rng(5)
    role = np.repeat(["train", "test"], [120, 20])
    y = (np.arange(len(role)) % 2).astype(np.int8)
    X = np.zeros((len(role), layout.width), dtype=np.float32)
    X[:, layout.non_hashed] = rng.integers(0, 4, size=(len(role), 35))
    X[:, layout.index(TELLING)] = 3 * y + rng.integers(0, 3, size=len(role))
    nothing = np.full(len(role), "")
    return Vectors(X, y, nothing, nothing, role, feature_layout(1), "toy", "ember")


def test_trees_as_a_surrogate_from_training_to_the_trigger(vectors, layout, tmp_path):
    train_surrogate(vectors, LIGHTGBM, seed=2, **COMPUTE).save(tmp_path / "detector")
    surrogate = Detector.load(tmp_path / "detector", trusted=[LIGHTGBM["class"]])
    S = explain_surrogate(surrogate, vectors, **SETTINGS)
    X, y = vectors.part("train")
    knowledge = AttackerKnowledge(X, y, layout, S, surrogate, 2, "lightgbm")
    trigger = IndependentSelection().select_trigger(knowledge, 1)
    assert trigger.columns[0].name == TELLING
    assert S[y == 1, layout.index(TELLING)].mean() > 0 > S[y == 0, layout.index(TELLING)].mean()


def test_a_share_is_all_that_a_surrogate_is_made_from_and_explains(vectors):
    labels = vectors.labels("train")
    known = known_rows(labels, 50, seed=2)
    X, y = vectors.X.copy(), vectors.y
    X[np.setdiff1d(np.arange(len(labels)), known)] = 1e6  # training rows come first
    others = replace(vectors, X=X, y=y)
    explained = []
    for held in (vectors, others):
        surrogate = train_surrogate(held, LIGHTGBM, seed=2, share=50, **COMPUTE)
        assert surrogate.train_rows_ == 60
        explained.append(explain_surrogate(surrogate, held, share=50, **SETTINGS))
    assert explained[0].shape == (60, vectors.layout.width)
    assert explained[0].tobytes() == explained[1].tobytes()


def test_a_classifier_that_nothing_can_explain(vectors):
    surrogate = train_surrogate(vectors, FOREST, seed=2, **COMPUTE)
    message = r"type RandomForestClassifier cannot be explained: .* name such a classifier"
    with pytest.raises(AttackError, match=message):
        explain_surrogate(surrogate, vectors, **SETTINGS)


def test_a_surrogate_that_diverges_is_an_error(vectors):
    with pytest.raises(TrainingDivergedError):
        train_surrogate(vectors, DIVERGING, seed=0, **COMPUTE)
