import itertools

import lightgbm
import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

from dokunuki.defences.deep_partition_aggregation import DeepPartitionAggregation, row_digests
from dokunuki.defences.feature_partition_aggregation import FeaturePartitionAggregation
from dokunuki.defences.protocol import defence_kind
from dokunuki.defences.voting import reseeded_copy
from dokunuki.detector import Detector
from dokunuki.errors import ConfigError, DataFileError
from dokunuki.networks.embernn import EmberNN
from dokunuki.networks.settings import TrainingDivergedError
from dokunuki.parts.estimator import Classifier
from dokunuki.parts.saving import SavedAsTensors, read_part, write_part


class Stump(SavedAsTensors, Classifier):
    """Malware where the first column is above the middle between the classes' means."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        means = [X[y == label, 0].mean() for label in (0, 1)]
        self.middle_, self.sign_ = np.mean(means), np.sign(means[1] - means[0])
        return self

    def predict_proba(self, X):
        malware = (self.sign_ * (X[:, 0] - self.middle_) > 0).astype(np.float32)
        return np.column_stack([1 - malware, malware])

    def _fitted_arrays(self):
        return {"state": np.array([self.middle_, self.sign_])}

    def _restore(self, arrays, facts):
        self.classes_ = np.array([0, 1])
        self.middle_, self.sign_ = arrays["state"]


class Says(Classifier):
    """A member with a fixed vote; its classes may stand the other way round."""

    def __init__(self, vote, classes=(0, 1)):
        self.vote, self.classes_ = vote, np.array(classes)

    def predict_proba(self, X):
        shares = {1: self.vote, 0: 1 - self.vote}
        return np.tile([shares[label] for label in self.classes_], (len(X), 1))


def _fpa_of(votes):
    ensemble = FeaturePartitionAggregation(partitions=len(votes))
    ensemble.n_features_in_ = len(votes)
    ensemble._take_members(list(votes))
    return ensemble


@pytest.fixture
def toy(rng):
    y = np.repeat([0, 1], 30)
    X = rng.normal(size=(60, 6)).astype(np.float32)
    X[y == 1] += 1.5
    return X, y


@pytest.mark.parametrize(
    ("votes", "label", "safe"),
    [
        ((0, 0, 0, 0), 0, 2),  # two changes make a tie, which stays goodware
        ((0, 0, 0, 1), 0, 1),
        ((0, 0, 1, 1), 0, 0),
        ((0, 1, 1, 1), 1, 0),  # one change makes a tie
        ((1, 1, 1, 1), 1, 1),
        ((0, 0, 0, 0, 0), 0, 2),
        ((1, 1, 1, 1, 1), 1, 2),
        ((0, 0, 1, 1, 1), 1, 0),
    ],
)
def test_the_formula_by_hand_and_against_every_change_of_votes(votes, label, safe):
    X = np.zeros((1, len(votes)), dtype=np.float32)
    ensemble = _fpa_of(votes)
    assert ensemble.predict(X).tolist() == [label]
    assert (ensemble.predict_proba(X)[:, 1] >= 0.5).tolist() == [bool(label)]
    assert ensemble.certified_radius(X).tolist() == [safe]
    changed = {
        size: {
            int(_fpa_of([1 - v if i in which else v for i, v in enumerate(votes)]).predict(X)[0])
            for which in itertools.combinations(range(len(votes)), size)
        }
        for size in (safe, safe + 1)
    }
    assert changed[safe] == {label}
    assert 1 - label in changed[safe + 1]


def test_scores_are_shares_of_votes_whatever_the_order_of_a_members_classes():
    members = [Says(0.9), Says(0.9, classes=(1, 0)), Says(0.1), 1, 0]
    scores = _fpa_of(members).predict_proba(np.zeros((2, 5), dtype=np.float32))
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, [[0.4, 0.6]] * 2, atol=1e-6)


def test_dpa_stands_every_alteration_of_a_row_within_its_radius():
    # Small enough to try every row in place of every row; as many members as leave a radius of 1.
    rng = np.random.default_rng(2)
    y = np.repeat([0, 1], 8)
    X = (rng.normal(size=(16, 1)) + 8 * y[:, None]).astype(np.float32)
    tests = np.linspace(-3, 11, 15, dtype=np.float32)[:, None]
    fitted = DeepPartitionAggregation(Stump(), 5).fit(X, y)
    before, radius = fitted.predict(tests), fitted.certified_radius(tests)
    assert set(radius.tolist()) == {0, 1}
    changes = np.zeros(len(tests), dtype=bool)
    for row, value, label in itertools.product(range(16), (-50.0, -20.0, 4.0, 9.0, 60.0), (0, 1)):
        altered, labels = X.copy(), y.copy()
        altered[row], labels[row] = value, label
        after = DeepPartitionAggregation(Stump(), 5).fit(altered, labels).predict(tests)
        changes |= after != before
    assert not changes[radius >= 1].any()
    assert changes[radius == 0].any()


def test_an_altered_row_reaches_no_member_but_its_old_and_its_new_one(toy):
    X, y = toy
    tree = DecisionTreeClassifier(random_state=0)
    before = DeepPartitionAggregation(tree, 6).fit(X, y)
    altered = X.copy()
    altered[7] *= 1000
    homes = {int(row_digests(rows[7:8])[0] % np.uint64(6)) for rows in (X, altered)}
    # The order of rows makes no difference either.
    order = np.random.default_rng(0).permutation(60)
    after = DeepPartitionAggregation(tree, 6).fit(altered[order], y[order])
    for number, (old, new) in enumerate(zip(before.members_, after.members_, strict=True)):
        if number not in homes:
            np.testing.assert_array_equal(old.tree_.threshold, new.tree_.threshold)
            np.testing.assert_array_equal(
                before.scalers_[number].mean_, after.scalers_[number].mean_
            )


def test_within_a_detector_no_scaler_carries_a_row_to_all_members(toy, tmp_path):
    X, y = toy
    altered = X.copy()
    altered[7] = 1e6
    tree = DecisionTreeClassifier(random_state=0)
    detectors = [
        Detector([DeepPartitionAggregation(partitions=6)], tree).fit(rows, y)
        for rows in (X, altered)
    ]
    members = [detector.classifier_.members_ for detector in detectors]
    same = [
        np.array_equal(old.tree_.threshold, new.tree_.threshold)
        for old, new in zip(*members, strict=True)
    ]
    assert sum(same) >= 4
    np.testing.assert_array_equal(detectors[0].standardise(X), X)
    detectors[0].save(tmp_path / "detector")
    loaded = Detector.load(tmp_path / "detector")
    np.testing.assert_array_equal(loaded.malware_scores(X), detectors[0].malware_scores(X))


def test_parts_of_one_class_vote_for_it_and_empty_ones_for_goodware():
    X = np.array([[0.0], [1.0]], dtype=np.float32)
    fitted = DeepPartitionAggregation(Stump(), 2).fit(X, np.array([1, 1]))
    homes = set((row_digests(X) % np.uint64(2)).tolist())
    assert fitted.members_ == [int(number in homes) for number in range(2)]


class Diverges(Stump):
    def fit(self, X, y):
        if X.shape[1] == 2:
            raise TrainingDivergedError(1, float("nan"))
        return super().fit(X, y)


def test_a_member_that_diverges_loses_its_own_vote_only(toy):
    X, y = toy
    fitted = FeaturePartitionAggregation(Diverges(), 4).fit(X, y)  # 2, 2, 1 and 1 columns
    assert fitted.members_[:2] == [0, 0]
    assert all(isinstance(member, Stump) for member in fitted.members_[2:])


@pytest.mark.parametrize("arrangement", ["strided", "contiguous"])
def test_fpa_stands_every_feature_within_its_radius_in_training_and_test(rng, arrangement):
    y = np.repeat([0, 1], 6)
    X = (rng.normal(size=(12, 5)) + 2 * y[:, None]).astype(np.float32)
    tests = (rng.normal(size=(20, 5)) + rng.integers(0, 2, (20, 1)) * 2).astype(np.float32)

    def fit(rows):
        return FeaturePartitionAggregation(Stump(), 5, arrangement).fit(rows, y)

    fitted = fit(X)
    before, radius = fitted.predict(tests), fitted.certified_radius(tests)
    assert set(radius.tolist()) == {0, 1, 2}
    for size in (1, 2):
        changed = np.zeros(20, dtype=bool)
        for columns in itertools.combinations(range(5), size):
            for sign in (-1, 1):
                # The strongest alteration: the columns say the opposite, in training and test.
                poisoned, triggered = X.copy(), tests.copy()
                poisoned[:, columns] = sign * (2 * y[:, None] - 1)
                triggered[:, columns] = 5
                changed |= fit(poisoned).predict(triggered) != before
        assert not changed[radius >= size].any()
        assert changed[radius < size].any()


def test_every_column_has_one_member_and_strides_spread_neighbours():
    X = np.arange(7, dtype=np.float32)[None]
    for arrangement, first in (("strided", [0, 3, 6]), ("contiguous", [0, 1, 2])):
        ensemble = FeaturePartitionAggregation(Stump(), 3, arrangement)
        ensemble.n_features_in_ = 7
        views = [view[0].tolist() for view in ensemble._views(X)]
        assert views[0] == first
        assert sorted(itertools.chain(*views)) == list(range(7))


@pytest.mark.parametrize(
    "make",
    [
        lambda: EmberNN(hidden=[4], epochs=1, batch_size=8, device="cpu"),
        lambda: RandomForestClassifier(3, random_state=1),
        lambda: lightgbm.LGBMClassifier(n_estimators=2, min_child_samples=2, verbosity=-1),
    ],
)
@pytest.mark.parametrize("ensemble", [DeepPartitionAggregation, FeaturePartitionAggregation])
def test_ensembles_come_back_the_same_and_equal_fits_are_equal_bytes(toy, tmp_path, make, ensemble):
    X, y = toy
    entries = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        fitted = ensemble(make(), 3).fit(X, y)
        entries.append(write_part(tmp_path / name, "classifier", fitted))
    assert entries[0] == entries[1]
    loaded = read_part(tmp_path / "a", entries[0], (), "cpu")
    np.testing.assert_array_equal(loaded.predict_proba(X), fitted.predict_proba(X))
    np.testing.assert_array_equal(loaded.certified_radius(X), fitted.certified_radius(X))


def test_foreign_members_need_trust(toy, tmp_path):
    fitted = DeepPartitionAggregation(Stump(), 3).fit(*toy)
    entry = write_part(tmp_path, "classifier", fitted)
    with pytest.raises(DataFileError, match="not of this package"):
        read_part(tmp_path, entry, (), None)


def test_members_have_seeds_of_their_own():
    forest = RandomForestClassifier(3, random_state=1, n_jobs=1)
    seeds = [reseeded_copy(forest, "member", number).random_state for number in (0, 1, 0)]
    assert seeds[0] == seeds[2] != seeds[1]
    assert reseeded_copy(EmberNN(seed=3, epochs=7), "member", 0).epochs == 7
    assert reseeded_copy(RandomForestClassifier(), "member", 0).random_state is None


def test_what_they_are_and_what_they_refuse(toy):
    for ensemble, most in ((DeepPartitionAggregation, 60), (FeaturePartitionAggregation, 6)):
        assert defence_kind(ensemble()) == "meta-estimator"
        for partitions in (0, most + 1):
            with pytest.raises(ConfigError, match="partitions"):
                ensemble(Stump(), partitions).fit(*toy)
    with pytest.raises(ConfigError, match="known: strided, contiguous"):
        FeaturePartitionAggregation(Stump(), 2, "random").fit(*toy)
