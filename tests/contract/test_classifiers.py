"""What holds for every classifier of the catalogue."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from contract.entries import (
    CONFIG,
    are_the_same_bytes,
    few_rows,
    has_equal_parameters,
    made,
    names_an_unknown_parameter,
    of_every,
    says_clearly,
    standardised,
    toy_rows,
    unchanged,
)
from dokunuki.detector import Detector
from dokunuki.study.specs import part_spec

every = of_every("classifiers")


def _scores(name, X, y):
    classifier = made(part_spec(CONFIG, "classifiers", name)).fit(X, y)
    assert np.asarray(classifier.classes_).tolist() == [0, 1]
    return (np.asarray(classifier.predict_proba(X)), np.asarray(classifier.predict(X)))


@cache
def _scores_of_arrays(name):
    return _scores(name, standardised(), toy_rows()[1])


@every
def test_a_clone_has_the_same_parameters(name):
    has_equal_parameters(made(part_spec(CONFIG, "classifiers", name)))


@every
def test_an_unknown_parameter_is_named(name):
    names_an_unknown_parameter(part_spec(CONFIG, "classifiers", name))


@every
def test_the_same_seed_gives_the_same_bytes_and_rows_are_not_changed(name):
    X, y = standardised(), toy_rows()[1]
    with unchanged(X, y):
        scores = _scores(name, X, y)
    are_the_same_bytes(scores, _scores_of_arrays(name))
    assert scores[0].shape == (len(X), 2)
    np.testing.assert_allclose(scores[0].sum(axis=1), 1, rtol=1e-6)


@every
def test_lists_and_frames_are_rows_too(name):
    X, y = standardised(), toy_rows()[1]
    expected = _scores_of_arrays(name)
    for rows, labels in ((X.tolist(), y.tolist()), (pd.DataFrame(X), pd.Series(y))):
        for found, wanted in zip(_scores(name, rows, labels), expected, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-6)


@every
def test_a_saved_detector_scores_alike(name, tmp_path):
    X, y, _ = toy_rows()
    spec = part_spec(CONFIG, "classifiers", name)
    with unchanged(X, y):
        detector = Detector([], made(spec)).fit(X, y)
        scores = detector.malware_scores(X)
    detector.save(tmp_path / "detector")
    loaded = Detector.load(tmp_path / "detector", device="cpu", trusted=[spec["class"]])
    np.testing.assert_array_equal(loaded.malware_scores(X), scores)


@every
def test_too_few_rows_are_said_clearly(name):
    spec = part_spec(CONFIG, "classifiers", name)
    for X, y, _ in few_rows():
        with says_clearly(spec):
            scores = Detector([], made(spec)).fit(X, y).malware_scores(X)
            assert len(np.unique(y)) == 2
            assert np.isfinite(scores).all()
