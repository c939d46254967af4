from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from dokunuki.attacks.protocol import Attack
from dokunuki.attacks.variation_ratio import VariationRatio
from dokunuki.detector import Detector
from dokunuki.errors import AttackError, ConfigError
from dokunuki.networks.embernn import EmberNN

NAMES = ["numstrings", "avlength", "printables"]


class FirstColumn:
    """Scores a row by its first column, and refuses rows that it was trained on."""

    def unfitted(self):
        return FirstColumn()

    def fit(self, Z, y):
        assert set(y) == {0, 1}
        self.classes_ = np.unique(y)
        self.seen = {row.tobytes() for row in Z}
        return self

    def predict_proba(self, Z):
        assert not any(row.tobytes() in self.seen for row in Z)
        return np.column_stack([1 - Z[:, 0], Z[:, 0]])


def surrogate_of(classifier):
    # Standardising tells every row apart from the others, as real rows are.
    return SimpleNamespace(classifier_=classifier, standardise=lambda X: X / 100)


@pytest.fixture
def worked(layout, widened, knowing):
    """Ten rows; all other columns are constant."""
    small = [
        [0, 0, 0],
        [0, 1, 0],
        [0, 2, 0],
        [2, 3, 50],
        [0, 4, 0],
        [0, 5, 30],
        [0, 6, 0],
        [1, 7, 90],
        [0, 8, 0],
        [0, 100, 100],
    ]
    return knowing(widened(small, layout.indices(NAMES), elsewhere=4))


def test_worked_by_hand(worked):
    # numstrings has 3 values, each a part of its own: 0 in 8 rows: 1 - 8/10 = 0.2; 1 and 2 are the
    # emptiest parts, and 2 is met first.
    # avlength, 10 values, is cut at 20, 40, 60, 80: 9 rows in the first part: 0.1; 100 is alone.
    # printables, 5 values, is cut into them: 0 in 6 rows: 0.4; 50, 30, 90 and 100 are in one row
    # each, and 50 is met first.
    trigger = VariationRatio().select_trigger(worked, 3)
    assert [(f.name, f.value) for f in trigger.columns] == [
        ("avlength", 100),
        ("numstrings", 2),
        ("printables", 50),
    ]
    ratios = [feature.reason["variation_ratio"] for feature in trigger.columns]
    assert ratios == pytest.approx([0.1, 0.2, 0.4])
    assert not trigger.label_flip
    assert trigger.parameters == {"region": "non_hashed", "slices": 5, "folds": 5}


def test_slices_have_equal_width(worked):
    # printables in 3 slices, cut at 33.3 and 66.7: 7 rows, 1 (50) and 2: ratio 0.3, value 50.
    # avlength, cut at 33.3 and 66.7: the second is empty, which no value can be taken from.
    trigger = VariationRatio(slices=3).select_trigger(worked, 3)
    assert [(f.name, f.value) for f in trigger.columns] == [
        ("avlength", 100),
        ("numstrings", 2),
        ("printables", 50),
    ]
    assert trigger.columns[2].reason == {
        "variation_ratio": pytest.approx(0.3),
        "rows_with_value": 1,
        "rows_in_part": 1,
    }


def test_the_rarest_value_of_the_emptiest_part(layout, widened, knowing):
    # 2 slices of 0..9, cut at 4.5: 8 rows below, 5 above (9 twice, 8 twice, 7 once): 7, although
    # 3 is as rare and met first.
    values = [3, 0, 0, 1, 1, 2, 2, 0, 9, 9, 8, 8, 7]
    X = widened([[value] for value in values], layout.indices(NAMES[:1]))
    trigger = VariationRatio(slices=2).select_trigger(knowing(X), 1)
    assert trigger.columns[0].value == 7
    assert trigger.columns[0].reason["variation_ratio"] == pytest.approx(5 / 13)


def test_constant_features_come_last(worked, layout):
    trigger = VariationRatio().select_trigger(worked, 35)
    rest = [column for column in layout.non_hashed if layout.names[column] not in NAMES]
    assert trigger.indices[3:].tolist() == rest
    assert set(trigger.values[3:].tolist()) == {4}


@pytest.fixture
def scored(layout, knowing):
    """Forty rows, every other one malware, that a row's first column scores, in no order."""
    X = np.zeros((40, layout.width), dtype=np.float32)
    X[:, 0] = np.random.default_rng(3).permutation(40) + 1
    return knowing(X, surrogate=surrogate_of(FirstColumn()))


def test_goodware_with_the_smallest_p_values_is_poisoned_first(scored):
    # The p-value of a goodware row is the share of goodware with at least its score: the smaller,
    # the larger the score. FirstColumn refuses to score what it was trained on.
    candidates = scored.X[scored.y == 0][::-1]
    order = VariationRatio(folds=3).poison_order(scored, candidates)
    assert candidates[order, 0].tolist() == sorted(candidates[:, 0], reverse=True)
    assert order.dtype == np.int64


def test_rows_that_the_attacker_does_not_know_are_ordered_too(scored, knowing):
    known = knowing(scored.X[:30], y=scored.y[:30], surrogate=scored.surrogate)
    order = VariationRatio(folds=3).poison_order(known, scored.X[[31, 0, 33, 2]])
    scores = scored.X[[31, 0, 33, 2], 0]
    assert order.tolist() == np.argsort(-scores).tolist()


def test_equal_scores_keep_the_order_of_the_candidates(scored):
    X = scored.X[scored.y == 0].copy()
    X[:, 1] = np.arange(len(X))  # other rows, of other folds
    X[:, 0] = 50
    assert VariationRatio().poison_order(scored, X).tolist() == list(range(len(X)))


def test_the_surrogate_stays_as_it_is(layout, knowing, rng):
    X = rng.normal(size=(60, layout.width)).astype(np.float32)
    y = np.arange(60) % 2
    X[y == 1, :5] += 1
    network = EmberNN(hidden=[4], epochs=2, batch_size=16, device="cpu", precision="float32")
    surrogate = Detector([], network).fit(X, y)
    knowledge = knowing(X, surrogate=surrogate)
    weights = surrogate.classifier_.decision_function(X[:3])
    order = VariationRatio(folds=2).poison_order(knowledge, X[y == 0])
    assert sorted(order.tolist()) == list(range(30))
    assert np.array_equal(surrogate.classifier_.decision_function(X[:3]), weights)


def test_follows_the_protocol(worked):
    attack = VariationRatio(region="feasible")
    assert isinstance(attack, Attack)
    assert (attack.label_flip, attack.poisoned_class) == (False, 0)
    assert attack.longest(worked.layout) == 17


class TestBadInput:
    def test_size_beyond_the_region(self, worked):
        with pytest.raises(AttackError, match=r"18 features.*17 manipulable"):
            VariationRatio(region="feasible").select_trigger(worked, 18)

    def test_too_few_slices(self, worked):
        with pytest.raises(ConfigError, match="slices"):
            VariationRatio(slices=1).select_trigger(worked, 1)

    def test_too_few_folds(self, scored):
        with pytest.raises(ConfigError, match="folds"):
            VariationRatio(folds=1).poison_order(scored, scored.X[:3])

    def test_one_class_beside_a_fold(self, scored, knowing):
        knowledge = knowing(scored.X[:2], surrogate=scored.surrogate)
        with pytest.raises(AttackError, match="all of one class"):
            VariationRatio().poison_order(knowledge, scored.X[:3])

    @pytest.mark.parametrize(
        ("surrogate", "message"),
        [(None, "needs a surrogate"), (surrogate_of(object()), "trained again")],
    )
    def test_surrogate_that_cannot_be_trained(self, scored, knowing, surrogate, message):
        with pytest.raises(AttackError, match=message):
            VariationRatio().poison_order(knowing(scored.X, surrogate=surrogate), scored.X[:3])
