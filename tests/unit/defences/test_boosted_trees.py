"""LightGBM in a filter: bins of some rows, and contributions summed block by block."""

from __future__ import annotations

from pathlib import Path

import lightgbm
import numpy as np
import pytest
import yaml

from dokunuki.audit.settings import DETECTORS
from dokunuki.defences.boosted_trees import (
    BIN_ROWS,
    contributions,
    fit_trees,
    important_columns,
)

CLASSIFIERS = Path(__file__).parents[3] / "workflow" / "catalogue" / "classifiers"


@pytest.fixture
def rows(rng):
    X = rng.normal(size=(300, 9)).astype(np.float32)
    return X, (X[:, 2] + 0.5 * X[:, 5] + 0.3 * rng.normal(size=300) > 0).astype(np.int8)


def trees_of(classifier):
    """The model's text but for the settings at its end."""
    return classifier.booster_.model_to_string().partition("\nparameters:")[0]


def test_trees_of_few_rows_are_those_of_the_librarys_own_bins(rows):
    ours = fit_trees(*rows, seed=3, threads=1)
    library = lightgbm.LGBMClassifier(**ours.get_params() | {"subsample_for_bin": 200_000})
    assert trees_of(ours) == trees_of(library.fit(*rows))
    assert "Tree=99" in trees_of(ours)


def test_every_lightgbm_makes_its_bins_of_as_many_rows():
    entries = [yaml.safe_load(path.read_text()) for path in CLASSIFIERS.glob("lightgbm*.yaml")]
    params = [entry["params"] for entry in entries] + [DETECTORS["lightgbm"][1]]
    assert [found["subsample_for_bin"] for found in params] == [BIN_ROWS] * len(params)
    assert len(params) > 2


def test_important_columns_do_not_depend_on_the_blocks(rows, monkeypatch):
    X, y = rows
    columns = np.array([8, 5, 2, 0])
    seen = np.ascontiguousarray(X[:, columns])
    magnitudes = np.abs(contributions(fit_trees(seen, y, 0, 1), seen)).sum(axis=0)
    expected = columns[np.argsort(-magnitudes, kind="stable")]
    assert expected[0] == 2
    for size in (7, 2048):
        monkeypatch.setattr("dokunuki.storage.row_blocks._BLOCK_ROWS", size)
        assert important_columns(X, y, columns, 4, 0, 1).tolist() == expected.tolist()
