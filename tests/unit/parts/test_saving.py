import json

import lightgbm
import numpy as np
import pytest
from safetensors.numpy import save_file
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.ensemble import BaggingClassifier, HistGradientBoostingClassifier, IsolationForest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from dokunuki.corpus.layout import feature_layout
from dokunuki.errors import DataFileError, DokunukiError
from dokunuki.networks.autoencoder import AutoencoderModel
from dokunuki.networks.embernn import EmberNN
from dokunuki.parts.saving import (
    pack_part,
    parameters_of,
    read_part,
    to_json,
    unpack_part,
    write_part,
)
from dokunuki.storage.files import verify_checksum
from dokunuki.storage.tensors import read_tensors, write_tensors


class Halver(BaseEstimator):
    """A user's own transformer without save and load."""

    def __init__(self, by=2.0):
        self.by = by

    def fit(self, X, y=None):
        self.scale_ = np.array(self.by)
        return self

    def transform(self, X):
        return X / self.scale_


class HoldsAFunction(Halver):
    def fit(self, X, y=None):
        self.function_ = lambda rows: rows
        return self


def _entry(folder, class_path):
    """What stands in detector.json for an empty file that names a class."""
    (folder / "x").write_text("")
    return {"format": "own", "file": "x", "class": class_path}


@pytest.fixture
def toy(rng):
    X = rng.normal(size=(80, 6)).astype(np.float32)
    return X, (X[:, 0] > 0).astype(int)


def test_tensors_come_back_with_their_settings(tmp_path):
    arrays = {
        "scalar": np.array(3),
        "turned": np.arange(6.0).reshape(2, 3).T,
        "flags": np.array([True, False]),
        "empty": np.empty((0, 4), dtype=np.float32),
    }
    write_tensors(tmp_path / "a.safetensors", arrays, {"b": [1, 2], "a": "毒"})
    read, settings = read_tensors(tmp_path / "a.safetensors")
    assert settings == {"a": "毒", "b": [1, 2]}
    for name, values in arrays.items():
        np.testing.assert_array_equal(read[name], values)
        assert read[name].dtype == values.dtype


def test_order_of_arrays_does_not_change_the_bytes(tmp_path):
    arrays = {name: np.arange(3.0) for name in "abc"}
    write_tensors(tmp_path / "x", arrays, {"p": 1, "q": 2})
    write_tensors(tmp_path / "y", dict(reversed(arrays.items())), {"q": 2, "p": 1})
    assert (tmp_path / "x").read_bytes() == (tmp_path / "y").read_bytes()


def test_foreign_tensors_are_refused(tmp_path):
    save_file({"a": np.zeros(2)}, tmp_path / "foreign.safetensors")
    with pytest.raises(DataFileError, match=r"foreign\.safetensors: damaged, or not written by"):
        read_tensors(tmp_path / "foreign.safetensors")


def test_parameters_become_readable_json():
    layout = feature_layout(2)
    assert to_json(layout) == {"feature_version": 2}
    assert to_json((1, np.float32(0.5), None)) == [1, 0.5, None]
    assert to_json({"a": float("nan")}) == {"a": "nan"}
    assert to_json(np.random.default_rng(0)).startswith("Generator")
    model = to_json(FrozenEstimator(AutoencoderModel(code=3)))
    assert model["class"] == "dokunuki.networks.autoencoder.AutoencoderModel"
    assert model["parameters"]["code"] == 3
    bagging = parameters_of(BaggingClassifier(LogisticRegression(C=2.0)))
    assert bagging["estimator"]["parameters"]["C"] == 2.0
    json.dumps(bagging, allow_nan=False)


@pytest.mark.parametrize(
    "make",
    [
        lambda: LogisticRegression(),
        lambda: DecisionTreeClassifier(random_state=1),
        lambda: HistGradientBoostingClassifier(max_iter=3, random_state=1),
        lambda: BaggingClassifier(DecisionTreeClassifier(), 3, random_state=1),
        lambda: make_pipeline(PCA(3, random_state=1), LogisticRegression()),
        lambda: lightgbm.LGBMClassifier(n_estimators=3, n_jobs=1, verbosity=-1),
    ],
)
def test_classifiers_come_back_the_same(toy, tmp_path, make):
    X, y = toy
    model = make().fit(X, y)
    entry = write_part(tmp_path, "classifier", model)
    loaded = read_part(tmp_path, json.loads(json.dumps(entry)), (), None)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(loaded.classes_, [0, 1])
    # What holds no checksum itself has one beside it, and is not read without.
    checksum = tmp_path / f"{entry['file']}.sha256"
    verify_checksum(tmp_path / entry["file"], required=True)
    checksum.unlink()
    with pytest.raises(DataFileError, match=r"its checksum, classifier\.\w+\.sha256, is missing"):
        read_part(tmp_path, entry, (), None)


def test_a_loaded_booster_can_be_saved_again(toy, tmp_path):
    X, y = toy
    entry = write_part(
        tmp_path, "x", lightgbm.LGBMClassifier(n_estimators=3, n_jobs=1, verbosity=-1).fit(X, y)
    )
    text = (tmp_path / entry["file"]).read_text()
    loaded = read_part(tmp_path, entry, (), None)
    assert write_part(tmp_path, "x", loaded) == entry
    assert (tmp_path / entry["file"]).read_text() == text


def test_a_users_own_class_is_loaded_only_when_trusted(toy, tmp_path):
    X, _ = toy
    entry = write_part(tmp_path, "defence", Halver().fit(X))
    with pytest.raises(DataFileError, match=r"not scikit-learn's.*Halver.*`trusted`"):
        read_part(tmp_path, entry, (), None)
    name = f"{Halver.__module__}.Halver"
    loaded = read_part(tmp_path, entry, (name,), None)
    np.testing.assert_array_equal(loaded.transform(X), X / 2)


@pytest.mark.promise(7)
def test_what_needs_pickle_is_refused_when_it_is_written(toy, tmp_path):
    with pytest.raises(DokunukiError, match=r"HoldsAFunction cannot be written without pickle"):
        write_part(tmp_path, "defence", HoldsAFunction().fit(toy[0]))
    assert not list(tmp_path.iterdir())


def test_a_class_with_its_own_format_is_loaded_only_when_trusted(tmp_path):
    entry = _entry(tmp_path, "pathlib.Path")
    with pytest.raises(DataFileError, match=r"class pathlib\.Path, which is not of this package"):
        read_part(tmp_path, entry, (), None)


def test_a_class_that_is_gone_is_explained(tmp_path):
    entry = _entry(tmp_path, "dokunuki.defences.deletion.Deletio")
    with pytest.raises(DataFileError, match=r"another version.*did you mean 'Deletion'"):
        read_part(tmp_path, entry, (), None)


def test_files_outside_the_folder_are_refused(tmp_path):
    entry = {"format": "skops", "file": "../x"}
    with pytest.raises(DataFileError, match="outside"):
        read_part(tmp_path / "folder", entry, (), None)


@pytest.mark.parametrize("model", [LogisticRegression(), lightgbm.LGBMClassifier(verbosity=-1)])
@pytest.mark.parametrize("damage", ["absent", "truncated"])
def test_damaged_files_are_named(toy, tmp_path, model, damage):
    entry = write_part(tmp_path, "classifier", model.fit(*toy))
    path = tmp_path / entry["file"]
    if damage == "absent":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataFileError, match=entry["file"]):
        read_part(tmp_path, entry, (), None)


def test_isolation_forest_is_storable_too(toy, tmp_path):
    X, _ = toy
    model = IsolationForest(n_estimators=5, random_state=0).fit(X)
    loaded = read_part(tmp_path, write_part(tmp_path, "x", model), (), None)
    np.testing.assert_array_equal(loaded.score_samples(X), model.score_samples(X))


@pytest.mark.parametrize(
    "make",
    [
        lambda: EmberNN(hidden=[4], epochs=1, device="cpu"),
        lambda: LogisticRegression(),
        lambda: lightgbm.LGBMClassifier(n_estimators=3, n_jobs=1, verbosity=-1),
    ],
    ids=["own", "skops", "lightgbm"],
)
def test_a_packed_part_comes_back_the_same(toy, make):
    X, y = toy
    np.testing.assert_array_equal(
        unpack_part(pack_part(make().fit(X, y)), "cpu").predict_proba(X),
        make().fit(X, y).predict_proba(X),
    )


def test_a_packed_part_of_another_package_is_refused(toy):
    with pytest.raises(DataFileError, match=r"not scikit-learn's.*Halver"):
        unpack_part(pack_part(Halver().fit(toy[0])))
