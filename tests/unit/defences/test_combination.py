import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier

from dokunuki.corpus.layout import feature_layout
from dokunuki.defences.combination import Combination
from dokunuki.defences.cross_examination import CrossExamination
from dokunuki.defences.deletion import Deletion
from dokunuki.defences.feature_partition_aggregation import FeaturePartitionAggregation
from dokunuki.defences.filtering import Filter
from dokunuki.defences.protocol import defence_kind
from dokunuki.detector import Detector
from dokunuki.errors import ConfigError, DokunukiError
from dokunuki.seeding import stream_seed
from loud_poison import loud_rows

LAYOUT = feature_layout(1)
PATH = "dokunuki.defences"
EXAMINE = {"class": f"{PATH}.cross_examination.CrossExamination", "params": {"trees": 20}}
DELETE = {"class": f"{PATH}.deletion.Deletion"}
VOTE = {
    "class": f"{PATH}.feature_partition_aggregation.FeaturePartitionAggregation",
    "params": {"partitions": 3},
}


class KeepsOneClass(Filter):
    """A filter that leaves no goodware."""

    seed = 0

    def _suspicious(self, X, y):
        return y == 0


@pytest.fixture(scope="module")
def rows():
    informative = np.concatenate([LAYOUT.undefended[:100], LAYOUT.attackable[-300:]])
    X, y, _ = loud_rows(0, 200, LAYOUT.width, LAYOUT.non_hashed, 8, True, informative)
    return X, y


def forest():
    return RandomForestClassifier(10, random_state=0)


def test_each_step_sees_what_the_steps_before_it_left(rows):
    X, y = rows
    ours = Combination([EXAMINE, DELETE], LAYOUT, forest(), seed=5).fit(X, y)
    seed = stream_seed(5, "step of a combination", 0)
    examined, labels = CrossExamination(LAYOUT, trees=20, seed=seed).fit_resample(X, y)
    assert not np.array_equal(labels, y)
    left = Deletion(LAYOUT).fit(examined).transform(examined)
    expected = forest().fit(left, labels)
    np.testing.assert_array_equal(
        ours.predict_proba(X), expected.predict_proba(X[:, LAYOUT.undefended])
    )
    np.testing.assert_array_equal(
        ours.predict(X), (expected.predict_proba(X[:, LAYOUT.undefended])[:, 1] >= 0.5).astype(int)
    )


def test_the_last_step_may_train_the_classifier(rows):
    X, y = rows
    ours = Combination([DELETE, VOTE], LAYOUT, forest()).fit(X, y)
    left = X[:, LAYOUT.undefended]
    expected = FeaturePartitionAggregation(forest(), partitions=3).fit(left, y)
    np.testing.assert_array_equal(ours.predict_proba(X), expected.predict_proba(left))


def test_without_steps_it_is_no_defence(rows):
    X, y = rows
    ours = Combination([], LAYOUT, forest()).fit(X, y)
    np.testing.assert_array_equal(ours.predict_proba(X), forest().fit(X, y).predict_proba(X))


def test_it_is_a_meta_estimator_that_certifies_nothing_and_is_saved(rows, tmp_path):
    X, y = rows
    defence = clone(Combination([EXAMINE, DELETE, VOTE], LAYOUT))
    assert defence_kind(defence) == "meta-estimator"
    detector = Detector(defence, forest()).fit(X, y)
    assert detector.certificate == ""
    for name in ("one", "two"):
        detector.save(tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    loaded = Detector.load(tmp_path / "one")
    np.testing.assert_array_equal(loaded.malware_scores(X), detector.malware_scores(X))


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([VOTE, DELETE], "FeaturePartitionAggregation trains the classifier and must be the last"),
        ([{"params": {}}], "step 1 has the keys params; it needs class"),
        ([DELETE, {**DELETE, "label": "x"}], "step 2 has the keys class, label"),
        ([{"class": f"{PATH}.bounds.OracleRemoval"}], "has give_poison: it only serves by itself"),
        (
            [{"class": f"{PATH}.deep_partition_aggregation.DeepPartitionAggregation"}],
            "has raw_rows: it only serves by itself",
        ),
        ([{"class": "sklearn.linear_model.Lasso"}], "is no defence"),
    ],
)
def test_what_is_no_step_is_named(rows, steps, message):
    with pytest.raises(ConfigError, match=message):
        Combination(steps, LAYOUT, forest()).fit(*rows)


def test_a_step_that_leaves_one_class_is_named(rows):
    step = {"class": f"{KeepsOneClass.__module__}.KeepsOneClass"}
    with pytest.raises(DokunukiError, match="KeepsOneClass left rows of one class only"):
        Combination([step], LAYOUT, forest()).fit(*rows)
