import json
import subprocess
import sys

import lightgbm
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier

from dokunuki.corpus.layout import feature_layout
from dokunuki.defences.autoencoder import AutoencoderCode, AutoencoderReconstruction
from dokunuki.defences.deletion import Deletion
from dokunuki.detector import Detector
from dokunuki.errors import ConfigError, DataFileError, DokunukiError
from dokunuki.networks.autoencoder import AutoencoderModel
from dokunuki.networks.embernn import EmberNN
from dokunuki.storage.files import read_json, write_json

LAYOUT = feature_layout(1)


class DropsEveryFourth(BaseEstimator):
    """A filter: removes rows without looking at them."""

    def fit_resample(self, X, y):
        self.sample_indices_ = np.flatnonzero(np.arange(len(X)) % 4 != 3)
        return X[self.sample_indices_], y[self.sample_indices_]


class KeepsMalwareOnly(BaseEstimator):
    def fit_resample(self, X, y):
        return X[y == 1], y[y == 1]


class GivesBack(BaseEstimator):
    """A filter that gives its rows back in a container of any type."""

    def __init__(self, rows, labels):
        self.rows = rows
        self.labels = labels

    def fit_resample(self, X, y):
        return self.rows(X[2:]), self.labels(y[2:])


class TakesAll(FunctionTransformer):
    """Keeps what it is told."""

    def give_clean_rows(self, X, y):
        self.clean = X, y

    def give_poison(self, mask):
        self.poison = mask

    def fit(self, X, y=None):
        self.told_before_fit = hasattr(self, "clean") and hasattr(self, "poison")
        return super().fit(X, y)


class TakesPoison(BaggingClassifier):
    def give_poison(self, mask):
        self.poison = mask


def _rows(rng, rows=200):
    """Raw rows whose class shows in the byte histogram and in one attackable column."""
    X = rng.normal(size=(rows, LAYOUT.width)).astype(np.float32)
    y = (np.arange(rows) % 2).astype(np.int8)
    X[:, LAYOUT.groups["histogram"]] += 2 * y[:, None]
    X[:, LAYOUT.index("size")] = 1e6 + 1e5 * rng.normal(size=rows) + 1e6 * y
    return X, y


def _network(**changes):
    defaults = {"hidden": (16,), "epochs": 4, "batch_size": 32, "learning_rate": 0.02}
    return EmberNN(**(defaults | {"device": "cpu"} | changes))


def _autoencoder():
    return AutoencoderModel(hidden=8, code=4, epochs=1, batch_size=32, device="cpu")


PARTS = {
    "none-embernn": lambda: ([], _network()),
    "deletion-lightgbm": lambda: (
        [Deletion(LAYOUT)],
        lightgbm.LGBMClassifier(
            n_estimators=5, n_jobs=1, deterministic=True, force_col_wise=True, verbosity=-1
        ),
    ),
    "none-forest": lambda: ([], RandomForestClassifier(5, random_state=0)),
    "pca-logistic": lambda: ([PCA(3, random_state=0)], LogisticRegression()),
    "code-embernn": lambda: ([AutoencoderCode(LAYOUT, _autoencoder())], _network()),
    "reconstruction-logistic": lambda: (
        [AutoencoderReconstruction(LAYOUT, _autoencoder())],
        LogisticRegression(),
    ),
    "sampler-embernn": lambda: ([DropsEveryFourth()], _network()),
    "bagging-tree": lambda: ([BaggingClassifier(n_estimators=3, random_state=0)], _tree()),
    "steps-embernn": lambda: (
        [DropsEveryFourth(), AutoencoderReconstruction(LAYOUT, _autoencoder()), Deletion(LAYOUT)],
        _network(),
    ),
}


def _tree():
    return DecisionTreeClassifier(random_state=0)


@pytest.mark.promise(7)
@pytest.mark.parametrize("name", PARTS)
def test_learns_and_comes_back_from_its_folder(rng, tmp_path, name):
    X, y = _rows(rng)
    for folder in ("a", "b"):
        detector = Detector(*PARTS[name]()).fit(X, y)
        detector.save(tmp_path / folder)
    test_rows, test_labels = _rows(rng)
    scores = detector.malware_scores(test_rows)
    assert scores.dtype == np.float32
    assert scores.shape == (len(test_rows),)
    assert scores.min() >= 0
    assert scores.max() <= 1
    assert np.mean((scores >= 0.5) == test_labels) > 0.9
    loaded = Detector.load(tmp_path / "a", device="cpu")
    np.testing.assert_array_equal(loaded.malware_scores(test_rows), scores)
    assert (loaded.train_rows_, loaded.removed_rows_) == (200, detector.removed_rows_)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert "detector.json" in files
    for file in files:
        if "skops" not in file:  # its archives hold times and addresses
            assert (tmp_path / "b" / file).read_bytes() == (tmp_path / "a" / file).read_bytes()
    loaded.save(tmp_path / "again")
    assert sorted(path.name for path in (tmp_path / "again").iterdir()) == files
    again = Detector.load(tmp_path / "again", device="cpu")
    np.testing.assert_array_equal(again.malware_scores(test_rows), scores)
    assert again.description_ == detector.description_
    assert not any(path.suffix in {".pkl", ".pickle", ".joblib"} for path in tmp_path.rglob("*"))


def test_description_names_classes_and_parameters(rng, tmp_path):
    X, y = _rows(rng, 40)
    Detector([AutoencoderCode(LAYOUT, _autoencoder())], _network(epochs=1)).fit(X, y).save(
        tmp_path / "detector"
    )
    description = json.loads((tmp_path / "detector" / "detector.json").read_text())
    assert description["defences"][0]["class"] == "dokunuki.defences.autoencoder.AutoencoderCode"
    assert description["defences"][0]["kind"] == "transformer"
    assert description["defences"][0]["parameters"]["autoencoder"]["parameters"]["code"] == 4
    assert description["classifier"]["parameters"]["hidden"] == [16]
    assert description["training"] == {"rows": 40, "removed_rows": 0}


def test_a_sampler_shapes_training_only(rng):
    X, y = _rows(rng, 40)
    detector = Detector([DropsEveryFourth()], _tree()).fit(X, y)
    assert detector.removed_rows_ == 10
    np.testing.assert_array_equal(detector.kept_indices_ % 4 != 3, True)
    # The scaler is fitted on all contaminated rows; the classifier on what the filter left.
    kept = detector.kept_indices_
    alone = _tree().fit(detector.standardise(X)[kept], y[kept])
    np.testing.assert_array_equal(
        detector.malware_scores(X), alone.predict_proba(detector.standardise(X))[:, 1]
    )


@pytest.mark.parametrize(
    ("rows", "labels"),
    [(np.ndarray.tolist, np.ndarray.tolist), (pd.DataFrame, pd.Series), (np.float64, np.int64)],
)
def test_a_sampler_may_give_lists_and_frames(rng, rows, labels):
    X, y = _rows(rng, 40)
    steps = Detector([GivesBack(rows, labels), Deletion(LAYOUT)], _network())
    alone = Detector([GivesBack(np.array, np.array), Deletion(LAYOUT)], _network())
    left, left_labels = steps.fit_defences(X, y)
    assert left.dtype == np.float32
    assert isinstance(left_labels, np.ndarray)
    scores = alone.fit(X, y).malware_scores(X)
    np.testing.assert_array_equal(steps.fit(X, y).malware_scores(X), scores)


@pytest.mark.parametrize(
    ("rows", "problem"),
    [(lambda X: X[:, 1:], r"shape \(38, 2350\)"), (lambda X: X * np.nan, "NaN")],
)
def test_a_sampler_that_gives_other_rows_is_named(rng, rows, problem):
    with pytest.raises(DokunukiError, match=rf"GivesBack.fit_resample: .*{problem}"):
        Detector([GivesBack(rows, np.array)], _tree()).fit(*_rows(rng, 40))


def test_lists_and_frames_are_rows_too(rng):
    X, y = _rows(rng, 40)
    scores = Detector([Deletion(LAYOUT)], _tree()).fit(X, y).malware_scores(X)
    for rows, labels in ((X.tolist(), y.tolist()), (pd.DataFrame(X), pd.Series(y))):
        detector = Detector([Deletion(LAYOUT)], _tree()).fit(rows, labels)
        np.testing.assert_array_equal(detector.malware_scores(rows), scores)


def test_a_sampler_that_removes_a_class_is_named(rng):
    with pytest.raises(DokunukiError, match=r"KeepsMalwareOnly left .* labels \[1\]"):
        Detector([KeepsMalwareOnly()], _tree()).fit(*_rows(rng, 20))


def test_a_meta_estimator_wraps_the_classifier(rng):
    detector = Detector([BaggingClassifier(n_estimators=2, random_state=0)], _tree())
    detector.fit(*_rows(rng, 40))
    assert isinstance(detector.classifier_, BaggingClassifier)
    assert {type(tree) for tree in detector.classifier_.estimators_} == {DecisionTreeClassifier}


def test_a_defence_is_told_before_it_is_fitted_in_the_units_of_the_contaminated_rows(rng):
    X, y = _rows(rng, 40)
    clean, labels = _rows(rng, 6)
    poison = np.arange(40) < 3
    detector = Detector([TakesAll()], _tree()).fit(X, y, clean=(clean, labels), poison=poison)
    assert detector.defences[0].told_before_fit
    np.testing.assert_array_equal(detector.defences[0].clean[0], detector.standardise(clean))
    assert detector.defences[0].clean[0].dtype == np.float32
    np.testing.assert_array_equal(detector.defences[0].clean[1], labels)
    np.testing.assert_array_equal(detector.defences[0].poison, poison)
    meta = Detector([TakesPoison(n_estimators=2, random_state=0)], _tree())
    np.testing.assert_array_equal(meta.fit(X, y, poison=poison).classifier_.poison, poison)


def test_a_defence_that_is_not_told_what_it_takes_or_does_not_take_it_is_refused(rng):
    X, y = _rows(rng, 40)
    with pytest.raises(ConfigError, match=r"TakesAll: has give_clean_rows.*clean_rows: true"):
        Detector([TakesAll()], _tree()).fit(X, y, poison=y == 1)
    with pytest.raises(ConfigError, match=r"TakesPoison: has give_poison.*poison: true"):
        Detector([TakesPoison()], _tree()).fit(X, y)
    with pytest.raises(ConfigError, match=r"no defence: has no give_poison.*poison: true"):
        Detector([], _tree()).fit(X, y, poison=y == 1)


def test_scaling_is_fitted_on_the_contaminated_rows_in_float64(rng):
    X, y = _rows(rng, 60)
    X[:, 0] = 4294967040.0  # constant and beyond float32's integers
    X[:, 1] = np.float32(0.1)
    stamp = LAYOUT.index("timestamp")
    X[:, stamp] = 2.0**31 + 256 * np.arange(60)  # neighbouring float32 values
    detector = Detector([], _tree()).fit(X, y)
    standardised = detector.standardise(X)
    assert standardised.dtype == np.float32
    np.testing.assert_array_equal(standardised[:, :2], 0)
    np.testing.assert_allclose(standardised.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(standardised[:, 2:].std(axis=0), 1, atol=1e-5)
    ranks = np.arange(60.0)
    np.testing.assert_allclose(
        standardised[:, stamp], (ranks - ranks.mean()) / ranks.std(), rtol=1e-6
    )


def test_blocks_change_no_score(rng, monkeypatch):
    X, y = _rows(rng, 50)
    detector = Detector([Deletion(LAYOUT)], RandomForestClassifier(3, random_state=0)).fit(X, y)
    whole = detector.malware_scores(X)
    monkeypatch.setattr("dokunuki.storage.row_blocks._BLOCK_ROWS", 7)
    np.testing.assert_array_equal(detector.malware_scores(X), whole)
    again = Detector([Deletion(LAYOUT)], RandomForestClassifier(3, random_state=0)).fit(X, y)
    np.testing.assert_allclose(again.scaler_.mean_, detector.scaler_.mean_, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(again.scaler_.scale_, detector.scaler_.scale_, rtol=1e-9)


@pytest.mark.parametrize("name", PARTS)
def test_rows_given_away_are_fitted_alike(rng, tmp_path, name):
    X, y = _rows(rng, 60)
    rows = X.copy()
    kept = Detector(*PARTS[name]()).fit(X.copy(), y)
    given = Detector(*PARTS[name]()).fit(X, y, copy=False)
    np.testing.assert_array_equal(given.malware_scores(rows), kept.malware_scores(rows))


def test_what_a_foreign_defence_keeps_of_the_rows_stays_as_it_was(rng):
    class KeepsRows(BaseEstimator):
        def fit(self, X, y=None):
            self.rows_ = X
            return self

        def transform(self, X):
            return X * np.float32(2)

    X, y = _rows(rng, 40)
    expected = Detector([], _tree()).fit(X, y).standardise(X)
    detector = Detector([KeepsRows()], _tree()).fit(X, y, copy=False)
    np.testing.assert_array_equal(detector.defences[0].rows_, expected)


def test_no_rows_give_no_scores(rng):
    X, y = _rows(rng, 30)
    assert Detector([], _network(epochs=1)).fit(X, y).malware_scores(X[:0]).shape == (0,)


def test_deletion_is_blind_to_the_attackable_region(rng):
    X, y = _rows(rng, 30)
    detector = Detector([Deletion(LAYOUT)], _tree()).fit(X, y)
    stamped = X.copy()
    stamped[:, LAYOUT.attackable] = 1e6
    np.testing.assert_array_equal(detector.malware_scores(stamped), detector.malware_scores(X))


def test_rows_of_another_width_are_refused(rng):
    X, y = _rows(rng, 30)
    detector = Detector([], _tree()).fit(X, y)
    with pytest.raises(DokunukiError, match="fitted on 2351 columns"):
        detector.malware_scores(X[:, :-1])


def test_one_class_is_refused(rng):
    X, _ = _rows(rng, 10)
    with pytest.raises(DokunukiError, match=r"hold the labels \[0\]"):
        Detector([], _tree()).fit(X, np.zeros(10, dtype=np.int8))


def test_what_is_no_defence_is_refused_at_once():
    with pytest.raises(ConfigError, match="is no defence"):
        Detector([LogisticRegression()], _tree())


@pytest.mark.parametrize(
    "file", ["detector.json", "scaler.safetensors", "classifier.skops", "transformer-1.safetensors"]
)
@pytest.mark.parametrize("damage", ["absent", "truncated"])
def test_damaged_folders_name_the_file(rng, tmp_path, file, damage):
    X, y = _rows(rng, 20)
    Detector([Deletion(LAYOUT)], _tree()).fit(X, y).save(tmp_path / "detector")
    path = tmp_path / "detector" / file
    if damage == "absent":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataFileError, match=file):
        Detector.load(tmp_path / "detector")


def test_a_folder_from_another_version_is_refused(rng, tmp_path):
    X, y = _rows(rng, 20)
    Detector([], _tree()).fit(X, y).save(tmp_path / "detector")
    path = tmp_path / "detector" / "detector.json"
    write_json(path, {**read_json(path), "format": 9})
    with pytest.raises(DataFileError, match="format 9"):
        Detector.load(tmp_path / "detector")


@pytest.mark.promise(5)
def test_heavy_libraries_are_imported_by_those_who_use_them():
    modules = [
        "detector",
        "parts.building",
        "networks.training",
        "networks.settings",
        "networks.devices",
        "defences.deletion",
    ]
    code = "; ".join(f"import dokunuki.{module}" for module in modules)
    code += "; import sys; print([m for m in ('torch', 'lightgbm', 'skops') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
