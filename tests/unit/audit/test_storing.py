"""Records of an audit as files: what is read is what was written, and only such."""

from __future__ import annotations

import json
from dataclasses import fields

import numpy as np
import pytest

from dokunuki.audit.fitting import fit_as_is
from dokunuki.audit.results import AuditResult
from dokunuki.audit.running import audit_rows
from dokunuki.audit.storing import read_fit, read_record, write_fit, write_record
from dokunuki.corpus.own_layout import read_layout
from dokunuki.errors import DataFileError
from dokunuki.storage.arrays import write_arrays
from planted_feeds import NAMES, make_feed, write_layout


@pytest.fixture(scope="module")
def rows():
    table = make_feed(planted=True, rows=400)
    return table[NAMES].to_numpy(np.float32), (table["verdict"] == "malware").to_numpy(np.int8)


def assert_same(one, other):
    """Equal in all fields, arrays in dtype and shape as well."""
    assert type(one) is type(other)
    if isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    elif hasattr(one, "__dataclass_fields__"):
        for field in fields(one):
            assert_same(getattr(one, field.name), getattr(other, field.name))
    elif isinstance(one, tuple):
        assert len(one) == len(other)
        for pair in zip(one, other, strict=True):
            assert_same(*pair)
    else:
        assert one == other or (one != one and other != other)


def test_a_whole_answer_comes_back(rows, tmp_path):
    result = audit_rows(*rows, read_layout(write_layout(tmp_path)))
    assert result.triggers
    write_record(tmp_path / "result.h5", result)
    read = read_record(tmp_path / "result.h5")
    assert isinstance(read, AuditResult)
    for field in fields(result):
        if field.name != "settings":
            assert_same(getattr(read, field.name), getattr(result, field.name))
    assert read.settings["detector"] == "lightgbm"


def test_a_fit_scores_as_before(rows, tmp_path):
    X, y = rows
    fit = fit_as_is(X, y, "lightgbm", seed=3, threads=1)
    write_fit(tmp_path / "fit.h5", tmp_path / "detectors", fit)
    read = read_fit(tmp_path / "fit.h5", tmp_path / "detectors")
    assert len(read.detectors) == len(fit.detectors)
    np.testing.assert_array_equal(read.scores, fit.scores)
    for one, other in zip(read.detectors, fit.detectors, strict=True):
        np.testing.assert_array_equal(one.malware_scores(X), other.malware_scores(X))


def test_nothing_is_a_record_too(tmp_path):
    write_fit(tmp_path / "fit.h5", tmp_path / "detectors", None)
    assert read_fit(tmp_path / "fit.h5", tmp_path / "detectors") is None
    assert not any((tmp_path / "detectors").iterdir())
    write_record(tmp_path / "none.h5", ())
    assert read_record(tmp_path / "none.h5") == ()


def test_only_records_of_an_audit_are_written(tmp_path):
    with pytest.raises(TypeError, match="no record of an audit"):
        write_record(tmp_path / "odd.h5", {"made": object()})
    assert not (tmp_path / "odd.h5").exists()


@pytest.mark.parametrize("tree", [{"Path": {}}, {"Evidence": {"unknown": 1}}, {"array": "array-9"}])
def test_other_classes_and_fields_are_refused(tmp_path, tree):
    write_arrays(tmp_path / "foreign.h5", {"record": np.array(json.dumps(tree))})
    with pytest.raises(DataFileError, match=r"foreign\.h5.*not written by this version"):
        read_record(tmp_path / "foreign.h5")
