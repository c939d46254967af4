"""What holds for every defence of the catalogue: by itself, and as a detector with a network."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

from contract.entries import (
    COMPUTE,
    CONFIG,
    LAYOUT,
    SEED,
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
from dokunuki.defences.protocol import assumed_regions, defence_kind
from dokunuki.parts.building import MissingPackageError
from dokunuki.study.specs import detector_spec, part_spec
from dokunuki.victims.building import build_detector, load_detector, told

CLASSIFIER = "embernn"
CLEAN = toy_rows(12, 1)[:2]

# Of so few rows: fewer than quantiles, and a variance of one row.
pytestmark = [
    pytest.mark.filterwarnings("ignore:n_quantiles"),
    pytest.mark.filterwarnings("ignore:invalid value encountered in divide:RuntimeWarning"),
]
every = of_every("defences")
every_class = of_every("defences", steps=False)


@cache
def _autoencoder(name):
    rows = standardised()[:, LAYOUT.attackable]
    return made(part_spec(CONFIG, "autoencoders", name)).fit(rows)


def _spec(name):
    return detector_spec(CONFIG, name, CLASSIFIER)


def _detector(name):
    spec = _spec(name)
    autoencoder = spec["autoencoder"] and _autoencoder(spec["autoencoder"]["name"])
    try:
        return build_detector(spec, LAYOUT, seed=SEED, compute=COMPUTE, autoencoder=autoencoder)
    except MissingPackageError as error:
        pytest.skip(str(error))


def _fitted(name, X, y, poison):
    knows = told(_spec(name))
    return _detector(name).fit(
        X,
        y,
        clean=CLEAN if knows["clean_rows"] else None,
        poison=poison if knows["poison"] else None,
    )


@cache
def _fitted_to_all(name):
    return _fitted(name, *toy_rows())


def _defence(name):
    """The one defence of an entry with a class, around a classifier where it needs one."""
    detector = _detector(name)
    (defence,) = detector.defences
    if defence_kind(defence) == "meta-estimator":
        defence.set_params(estimator=detector.classifier)
    return defence


def _applied(name, X, y, poison):
    """What the defence makes of rows: rows, rows and labels, or scores."""
    defence = _defence(name)
    if hasattr(defence, "give_clean_rows"):
        defence.give_clean_rows(*CLEAN)
    if hasattr(defence, "give_poison"):
        defence.give_poison(poison)
    kind = defence_kind(defence)
    if kind == "sampler":
        rows, labels = defence.fit_resample(X, y)
        return np.asarray(rows, dtype=np.float32), np.asarray(labels)  # as a detector takes them
    fitted = defence.fit(X, y)
    return (np.asarray(fitted.transform(X) if kind == "transformer" else fitted.predict_proba(X)),)


@cache
def _applied_to_arrays(name):
    X, y, poison = standardised(), *toy_rows()[1:]
    with unchanged(X, y, poison, *CLEAN):
        return _applied(name, X, y, poison)


@every_class
def test_a_clone_has_the_same_parameters(name):
    has_equal_parameters(_defence(name))


@every_class
def test_an_unknown_parameter_is_named(name):
    names_an_unknown_parameter(part_spec(CONFIG, "defences", name))


@every_class
def test_its_regions_are_those_of_the_layout(name):
    for region in assumed_regions(_defence(name)):
        assert len(LAYOUT.columns(region))


@pytest.mark.promise(8)
@every_class
def test_the_same_seed_gives_the_same_bytes_and_rows_are_not_changed(name):
    result = _applied_to_arrays(name)
    are_the_same_bytes(_applied(name, standardised(), *toy_rows()[1:]), result)
    assert np.isfinite(result[0]).all()
    if len(result) == 2:
        rows, labels = result
        assert rows.shape == (len(labels), LAYOUT.width)
    else:
        assert len(result[0]) == len(standardised())


@every_class
@pytest.mark.parametrize("container", ["lists", "frames"])
def test_lists_and_frames_are_rows_too(name, container):
    X, y, poison = standardised(), *toy_rows()[1:]
    given = (
        (X.tolist(), y.tolist(), poison.tolist())
        if container == "lists"
        else (pd.DataFrame(X, columns=LAYOUT.names), pd.Series(y), pd.Series(poison))
    )
    for found, wanted in zip(_applied(name, *given), _applied_to_arrays(name), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-6)


@every_class
def test_too_few_rows_are_said_clearly(name):
    for X, y, poison in few_rows():
        with says_clearly(_spec(name)):
            assert np.isfinite(_applied(name, X, y, poison)[0]).all()


@every
def test_its_ledger_says_what_it_takes(name):
    knows = told(_spec(name))
    for method, key in (("give_clean_rows", "clean_rows"), ("give_poison", "poison")):
        takes = any(hasattr(defence, method) for defence in _detector(name).defences)
        assert takes == knows[key], f"{method}, and ledger: {{{key}: {knows[key]}}}"


@every
def test_the_same_seed_gives_the_same_detector_and_rows_are_not_changed(name):
    X, y, poison = toy_rows()
    with unchanged(X, y, poison, *CLEAN):
        scores = _fitted(name, X, y, poison).malware_scores(X)
    are_the_same_bytes((scores,), (_fitted_to_all(name).malware_scores(X),))


@every
def test_a_saved_detector_scores_alike(name, tmp_path):
    detector = _fitted_to_all(name)
    detector.save(tmp_path / "detector")
    loaded = load_detector(tmp_path / "detector", _spec(name), device="cpu")
    rows = toy_rows()[0]
    are_the_same_bytes((loaded.malware_scores(rows),), (detector.malware_scores(rows),))
    assert loaded.description_ == detector.description_


@every
def test_a_detector_says_clearly_that_rows_are_too_few(name):
    for X, y, poison in few_rows():
        with says_clearly(_spec(name)):
            scores = _fitted(name, X, y, poison).malware_scores(X)
            assert len(np.unique(y)) == 2
            assert np.isfinite(scores).all()
