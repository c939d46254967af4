"""Vectors, a trigger and an unpoisoned detector; parts of a user's own."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pytest

from dokunuki.attacks.trigger import Trigger, trigger_feature
from dokunuki.corpus.vectors import Vectors
from dokunuki.victims.training import train_unpoisoned
from toy_victims import COMPUTE, LABELLED, LAYOUT, SPEC, toy_vectors

# A user's own parts, by dotted path.
TOY_PARTS = """
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.ensemble import BaggingClassifier

from dokunuki.defences.deletion import Deletion


class RemovesFirst(BaseEstimator):
    def __init__(self, classifier=None):
        self.classifier = classifier

    def fit_resample(self, X, y):
        RemovesFirst.made = self.classifier(), self.classifier()
        first = [np.flatnonzero(y == label)[:6] for label in (0, 1)]
        self.sample_indices_ = np.setdiff1d(np.arange(len(y)), np.concatenate(first))
        return X[self.sample_indices_], y[self.sample_indices_]


class RelabelsFirst(BaseEstimator):
    # Leaves the first three goodware rows out, and calls the next three malware, in place.
    def fit_resample(self, X, y):
        first = np.flatnonzero(y == 0)[:6]
        y[first[3:]] = 1
        self.sample_indices_ = np.setdiff1d(np.arange(len(y)), first[:3])
        return X[self.sample_indices_], y[self.sample_indices_]


class Told(Deletion):
    def give_clean_rows(self, X, y):
        Told.clean = X, y

    def give_poison(self, mask):
        Told.mask = mask


class Halves(BaseEstimator):
    def fit(self, X, y):
        self.fitted_ = True
        return self

    def transform(self, X):
        return X / 2


class Certified(BaggingClassifier):
    certificate = "rows"

    def certified_radius(self, X):
        return np.full(len(X), 6, dtype=np.int32)
"""


@pytest.fixture
def toys(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("toys")
    (folder / "toy_parts.py").write_text(TOY_PARTS)
    monkeypatch.syspath_prepend(folder)
    yield importlib.import_module("toy_parts")
    sys.modules.pop("toy_parts")


@pytest.fixture(scope="session")
def vectors() -> Vectors:
    """See `toy_vectors`."""
    return toy_vectors()


@pytest.fixture(scope="session")
def trigger() -> Trigger:
    columns = tuple(
        trigger_feature(LAYOUT, int(column), 30.0, {}) for column in LAYOUT.non_hashed[:30]
    )
    return Trigger("toy", columns, True, "toy", 0, {}, LAYOUT)


@pytest.fixture(scope="session")
def unpoisoned(vectors, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpoisoned") / "detector"
    scores, cost = train_unpoisoned(
        vectors, SPEC["none"], None, seed=0, compute=COMPUTE, folder=folder
    )
    return folder, scores, cost


@pytest.fixture(scope="session")
def extended(vectors):
    """The vectors with 40 calibration rows and 6 clean ones."""
    rng = np.random.default_rng(5)
    y = np.tile(np.int8([0, 1]), 23)
    X = rng.normal(size=(46, LAYOUT.width)).astype(np.float32)
    X[:, :LABELLED] += 3 * y[:, None]
    return Vectors(
        np.concatenate([vectors.X, X]),
        np.concatenate([vectors.y, y]),
        np.array([f"{row:064x}" for row in range(146)]),
        np.full(146, "2017-01"),
        np.concatenate([vectors.role, ["calibration"] * 40, ["clean"] * 6]),
        LAYOUT,
        "toy",
        "ember",
    )
