from __future__ import annotations

import numpy as np
import pytest

from dokunuki.errors import DataFileError
from dokunuki.storage.arrays import open_arrays, read_attributes, write_arrays
from dokunuki.surrogate.explanations import read_explanations, write_explanations


@pytest.fixture
def rows(rng):
    return rng.normal(size=(150, 6)).astype(np.float32)


def test_file_round_trip(tmp_path, rows):
    for name in ("a.h5", "b.h5"):
        write_explanations(tmp_path / name, rows, {"surrogate": "embernn", "samples": 20})
    read = read_explanations(tmp_path / "a.h5")
    assert np.array_equal(read, rows)
    assert read.dtype == np.float32
    with open_arrays(tmp_path / "a.h5") as file:
        assert read_attributes(file) == {"surrogate": "embernn", "samples": 20}
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_the_file_names_another_explainer_than_the_default(tmp_path, rows):
    write_explanations(tmp_path / "old.h5", rows, {"samples": 20})
    for explainer in ("expected-gradients", "shap"):
        path = tmp_path / f"{explainer}.h5"
        write_explanations(path, rows, {"samples": 20}, explainer)
    with open_arrays(tmp_path / "shap.h5") as file:
        assert read_attributes(file) == {"samples": 20, "explainer": "shap"}
    # Files of the default are what they were before there was a choice.
    default = (tmp_path / "expected-gradients.h5").read_bytes()
    assert default == (tmp_path / "old.h5").read_bytes()


def test_reader_refuses_what_is_not_a_matrix(tmp_path):
    write_arrays(tmp_path / "a.h5", {"explanations": np.zeros(3)})
    with pytest.raises(DataFileError, match=r"shape \(3,\)"):
        read_explanations(tmp_path / "a.h5")
