"""Several defences one after the other, as the steps of a detector."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import Lasso

from dokunuki.corpus.layout import feature_layout
from dokunuki.defences.bounds import OracleRemoval
from dokunuki.defences.cross_examination import CrossExamination
from dokunuki.defences.deep_partition_aggregation import DeepPartitionAggregation
from dokunuki.defences.deletion import Deletion
from dokunuki.defences.feature_partition_aggregation import FeaturePartitionAggregation
from dokunuki.defences.filtering import Filter
from dokunuki.detector import Detector
from dokunuki.errors import ConfigError, DokunukiError
from dokunuki.parts.estimator import Transformer
from dokunuki.parts.standardising import Standardiser
from loud_poison import loud_rows

LAYOUT = feature_layout(1)


class KeepsOneClass(Filter):
    """A filter that leaves no goodware."""

    seed = 0

    def _suspicious(self, X, y):
        return y == 0


class DropsFirst(Filter):
    """A filter that removes the first rows."""

    def __init__(self, rows=3):
        self.rows = rows

    def _suspicious(self, X, y):
        return np.arange(len(X)) < self.rows


class DropsFirstInSilence:
    """A sampler that does not tell which rows it kept."""

    def get_params(self, deep=True):
        return {}

    def fit_resample(self, X, y):
        return X[3:], y[3:]


class HalvesTold(Transformer):
    """A transformer that takes clean rows."""

    def give_clean_rows(self, X, y):
        self.clean = X

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X / 2


@pytest.fixture(scope="module")
def rows():
    informative = np.concatenate([LAYOUT.undefended[:100], LAYOUT.attackable[-300:]])
    X, y, _ = loud_rows(0, 200, LAYOUT.width, LAYOUT.non_hashed, 8, True, informative)
    return X, y


def forest():
    return RandomForestClassifier(10, random_state=0)


def examine():
    return CrossExamination(LAYOUT, trees=20, seed=5)


def test_each_step_sees_what_the_steps_before_it_left(rows):
    X, y = rows
    detector = Detector([examine(), Deletion(LAYOUT)], forest()).fit(X, y)
    standardised = Standardiser().fit(X).transform(X)
    examined, labels = examine().fit_resample(standardised, y)
    assert not np.array_equal(labels, y)
    left = Deletion(LAYOUT).fit(examined).transform(examined)
    expected = forest().fit(left, labels)
    scores = expected.predict_proba(standardised[:, LAYOUT.undefended])[:, 1]
    np.testing.assert_array_equal(detector.malware_scores(X), scores.astype(np.float32))


def test_the_last_step_may_train_the_classifier(rows):
    X, y = rows
    vote = FeaturePartitionAggregation(partitions=3)
    detector = Detector([Deletion(LAYOUT), vote], forest()).fit(X, y)
    left = Standardiser().fit(X).transform(X)[:, LAYOUT.undefended]
    expected = FeaturePartitionAggregation(forest(), partitions=3).fit(left, y)
    scores = expected.predict_proba(left)[:, 1].astype(np.float32)
    np.testing.assert_array_equal(detector.malware_scores(X), scores)
    # A certificate does not hold for what was fitted on all rows before.
    assert detector.certificate == ""
    assert Detector([vote], forest()).certificate == "features"


def test_without_steps_the_classifier_is_undefended(rows):
    X, y = rows
    standardised = Standardiser().fit(X).transform(X)
    expected = forest().fit(standardised, y).predict_proba(standardised)[:, 1]
    scores = Detector([], forest()).fit(X, y).malware_scores(X)
    np.testing.assert_array_equal(scores, expected.astype(np.float32))


def test_several_steps_come_back_from_their_folder(rows, tmp_path):
    X, y = rows
    steps = [examine(), Deletion(LAYOUT), PCA(20, random_state=0), DropsFirst()]
    detector = Detector(steps, forest()).fit(X, y)
    detector.save(tmp_path / "detector")
    loaded = Detector.load(tmp_path / "detector")
    np.testing.assert_array_equal(loaded.malware_scores(X), detector.malware_scores(X))
    assert loaded.description_ == detector.description_
    kinds = [step["kind"] for step in loaded.description_["defences"]]
    assert kinds == ["sampler", "transformer", "transformer", "sampler"]
    assert [type(part) for part in loaded.transformers_] == [Deletion, PCA]


def test_filters_among_the_steps_tell_what_they_kept_of_all_rows(rows):
    X, y = rows
    detector = Detector([DropsFirst(3), Deletion(LAYOUT), DropsFirst(2)], forest()).fit(X, y)
    np.testing.assert_array_equal(detector.kept_indices_, np.arange(5, len(X)))
    assert detector.removed_rows_ == 5
    # One that changes labels keeps the places; one that removes in silence leaves all open.
    kept = Detector([examine(), DropsFirst(3)], forest()).fit(X, y).kept_indices_
    np.testing.assert_array_equal(kept, np.arange(3, len(X)))
    for silent in ([DropsFirstInSilence(), DropsFirst(3)], [examine()], [Deletion(LAYOUT)]):
        assert Detector(silent, forest()).fit(X, y).kept_indices_ is None


def test_what_steps_are_told_is_what_the_steps_before_them_left(rows):
    X, y = rows
    poison = np.arange(len(X)) < 5
    detector = Detector([DropsFirst(3), OracleRemoval()], forest()).fit(X, y, poison=poison)
    np.testing.assert_array_equal(detector.kept_indices_, np.arange(5, len(X)))
    with pytest.raises(
        ConfigError, match=r"OracleRemoval: a step before it does not tell .* first"
    ):
        Detector([DropsFirstInSilence(), OracleRemoval()], forest()).fit(X, y, poison=poison)
    told = HalvesTold()
    detector = Detector([Deletion(LAYOUT), told], forest()).fit(X, y, clean=(X[:4], y[:4]))
    np.testing.assert_array_equal(told.clean, detector.standardise(X[:4])[:, LAYOUT.undefended])


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (
            [FeaturePartitionAggregation(), Deletion(LAYOUT)],
            "FeaturePartitionAggregation trains the classifier, so it must be the last",
        ),
        (
            [Deletion(LAYOUT), DeepPartitionAggregation()],
            "takes raw rows \\(raw_rows\\), so it cannot be combined",
        ),
        ([Lasso()], "is no defence"),
    ],
)
def test_what_is_no_step_is_named(steps, message):
    with pytest.raises(ConfigError, match=message):
        Detector(steps, forest())


def test_a_step_that_leaves_one_class_is_named(rows):
    with pytest.raises(DokunukiError, match=r"KeepsOneClass left .* labels \[1\]"):
        Detector([Deletion(LAYOUT), KeepsOneClass()], forest()).fit(*rows)
