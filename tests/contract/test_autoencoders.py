"""What holds for every autoencoder of the catalogue."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from contract.entries import (
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
    unchanged,
)
from dokunuki.study.specs import part_spec

every = of_every("autoencoders")


@cache
def _rows():
    return np.ascontiguousarray(standardised()[:, LAYOUT.attackable])


def _outputs(autoencoder, X):
    return autoencoder.encode(X), autoencoder.reconstruct(X)


@cache
def _outputs_of_arrays(name):
    return _outputs(made(part_spec(CONFIG, "autoencoders", name)).fit(_rows()), _rows())


@every
def test_a_clone_has_the_same_parameters(name):
    has_equal_parameters(made(part_spec(CONFIG, "autoencoders", name)))


@every
def test_an_unknown_parameter_is_named(name):
    names_an_unknown_parameter(part_spec(CONFIG, "autoencoders", name))


@every
def test_the_same_seed_gives_the_same_bytes_and_rows_are_not_changed(name):
    X = _rows()
    with unchanged(X):
        code, reconstruction = _outputs(made(part_spec(CONFIG, "autoencoders", name)).fit(X), X)
    are_the_same_bytes((code, reconstruction), _outputs_of_arrays(name))
    other = made(part_spec(CONFIG, "autoencoders", name), seed=SEED + 1).fit(X)
    assert not np.array_equal(other.encode(X), code)
    assert len(code) == len(X)
    assert reconstruction.shape == X.shape


@every
def test_lists_and_frames_are_rows_too(name):
    X = _rows()
    for rows in (X.tolist(), pd.DataFrame(X)):
        fitted = made(part_spec(CONFIG, "autoencoders", name)).fit(rows)
        are_the_same_bytes(_outputs(fitted, rows), _outputs_of_arrays(name))


@every
def test_what_is_loaded_rebuilds_alike(name, tmp_path):
    fitted = made(part_spec(CONFIG, "autoencoders", name)).fit(_rows())
    fitted.save(tmp_path / "autoencoder")
    loaded = type(fitted).load(tmp_path / "autoencoder", device="cpu")
    are_the_same_bytes(_outputs(loaded, _rows()), _outputs(fitted, _rows()))


@every
def test_too_few_rows_are_said_clearly(name):
    spec = part_spec(CONFIG, "autoencoders", name)
    for X, _, _ in few_rows():
        with says_clearly(spec):
            rows = X[:, LAYOUT.attackable]
            assert np.isfinite(made(spec).fit(rows).reconstruct(rows)).all()
