from __future__ import annotations

import sys
import types

import numpy as np
import orjson
import pytest

from dokunuki.corpus import ember_vectoriser, vectoriser
from dokunuki.corpus.release import release_files
from dokunuki.errors import CorpusError


def test_ember_and_ours_agree_on_all_sample_rows(sample_folder):
    pytest.importorskip("ember", exc_type=ImportError)
    rows = [
        orjson.loads(line)
        for file in release_files(sample_folder)
        for line in file.read_bytes().splitlines()
    ]
    np.testing.assert_array_equal(
        ember_vectoriser.vectorise(rows, 1).view(np.uint32),
        vectoriser.vectorise(rows, 1).view(np.uint32),
    )


@pytest.mark.parametrize("version", [1, 2])
def test_ember_and_ours_agree_on_edge_cases(make_row, version):
    pytest.importorskip("ember", exc_type=ImportError)
    bare, plain = make_row(1, version=version), make_row(2, version=version)
    bare |= {"section": {"entry": "", "sections": []}, "imports": {}, "exports": []}
    bare["strings"] |= {"printables": 0, "printabledist": [0] * 96}
    bare["header"]["coff"]["machine"] = ""
    plain["section"]["entry"] = "gone"
    np.testing.assert_array_equal(
        ember_vectoriser.vectorise([bare, plain], version),
        vectoriser.vectorise([bare, plain], version),
    )


def test_a_missing_package_says_how_to_get_it(make_row, monkeypatch):
    monkeypatch.setitem(sys.modules, "ember", None)
    with pytest.raises(CorpusError, match=r"pip install 'dokunuki\[ember\]'"):
        ember_vectoriser.vectorise([make_row()], 1)


def test_version_3_is_refused():
    with pytest.raises(CorpusError, match="knows feature versions 1 and 2 and not 3"):
        ember_vectoriser.vectorise([], 3)


def test_another_package_called_ember_is_refused(make_row, monkeypatch):
    monkeypatch.setitem(sys.modules, "ember", types.ModuleType("ember"))
    with pytest.raises(CorpusError, match="PEFeatureExtractor"):
        ember_vectoriser.vectorise([make_row()], 1)


def test_vectors_of_another_width_are_refused(make_row, monkeypatch):
    class Narrow:
        def __init__(self, version, print_feature_warning):
            pass

        def process_raw_features(self, row):
            return np.zeros(3, dtype=np.float32)

    package = types.ModuleType("ember")
    package.PEFeatureExtractor = Narrow
    monkeypatch.setitem(sys.modules, "ember", package)
    with pytest.raises(CorpusError, match=r"corpus\.vectoriser: dokunuki"):
        ember_vectoriser.vectorise([make_row()], 1)
