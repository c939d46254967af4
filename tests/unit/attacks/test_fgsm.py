from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dokunuki.attacks.fgsm import FGSMLabelFlip
from dokunuki.attacks.ordinary_fgsm import OrdinaryFGSM
from dokunuki.attacks.protocol import Attack
from dokunuki.errors import AttackError, ConfigError

NAMES = ["numstrings", "avlength", "has_debug", "exports"]


@pytest.fixture
def worked(layout, widened, knowing, logistic_surrogate):
    """Rows 1 and 3 are malware.

    row  label  numstrings  avlength  has_debug  exports
    0    0      0           0         0          6
    1    1      2           2         1          2
    2    0      6           6         0          0
    3    1      4           4         1          4
    """
    columns = layout.indices(NAMES)
    X = widened([[0, 0, 0, 6], [2, 2, 1, 2], [6, 6, 0, 0], [4, 4, 1, 4]], columns)
    weights = np.zeros(layout.width)
    weights[columns] = [-4, -3, 2, 1]
    weights[layout.undefended[0]] = 100  # outside the manipulable set
    return knowing(X, surrogate=logistic_surrogate(X, weights))


def test_values_worked_by_hand(worked):
    # The gradient of -log p(malware) is (p - 1) w: its sign is the opposite of the weight's, its
    # order of magnitude that of |w|: numstrings, avlength, has_debug, exports.
    # Columns 0, 2, 6, 4: mean 3, variance (9 + 1 + 9 + 1) / 4 = 5, sd 2.2360680; the malware's
    # mean is 3 as well.
    # numstrings and avlength: w < 0, so a step up: 3 + 2.2360680 = 5.2360680; the count becomes 5.
    # has_debug: 0, 1, 0, 1: sd 0.5, malware mean 1; w > 0: 1 - 0.5 = 0.5, half up: 1.
    # exports: w > 0: 3 - 2.2360680 = 0.7639320 -> 1.
    trigger = FGSMLabelFlip(epsilon=1.0).select_trigger(worked, 4)
    assert [feature.name for feature in trigger.columns] == NAMES
    assert trigger.values[0] == 5
    assert trigger.values[1] == pytest.approx(3 + np.sqrt(5), rel=1e-6)
    assert trigger.values[2:].tolist() == [1, 1]
    reason = trigger.columns[0].reason
    assert reason["malware_mean"] == 3
    assert reason["before_clipping"] == pytest.approx(3 + np.sqrt(5))
    assert reason["mean_gradient"] > 0


def test_ordinary_values_lie_between_two_quantiles(worked):
    # avlength holds 0, 2, 4, 6: a quarter of the rows below and above leaves 2 and 4. The step of
    # 3 + 2 * 2.236 goes to 4, and that of exports, 3 - 4.47, to 2.
    trigger = OrdinaryFGSM(epsilon=2.0, tail=25.0).select_trigger(worked, 4)
    assert [feature.name for feature in trigger.columns] == NAMES
    assert trigger.values.tolist() == [4, 4, 0, 2]
    assert trigger.columns[1].reason["before_clipping"] > 7


def test_without_a_tail_ordinary_fgsm_is_fgsm(worked):
    ordinary = OrdinaryFGSM(epsilon=2.0, tail=0.0).select_trigger(worked, 4)
    assert ordinary.columns == FGSMLabelFlip(epsilon=2.0).select_trigger(worked, 4).columns


@pytest.mark.parametrize("tail", [-1.0, 50.0])
def test_a_tail_that_leaves_no_value_is_refused(worked, tail):
    with pytest.raises(ConfigError, match=f"tail: {tail} must be from 0 to 50"):
        OrdinaryFGSM(tail=tail).select_trigger(worked, 4)


def test_values_are_clipped_to_the_range_of_the_training_rows(worked):
    # 3 + 2 * 2.236 = 7.47 > 6; has_debug 1 - 2 * 0.5 = 0; exports 3 - 4.47 < 0.
    trigger = FGSMLabelFlip(epsilon=2.0).select_trigger(worked, 4)
    assert trigger.values.tolist() == [6, 6, 0, 0]


def test_no_step_gives_the_mean_of_the_malware(worked):
    trigger = FGSMLabelFlip(epsilon=0.0).select_trigger(worked, 4)
    assert trigger.values.tolist() == [3, 3, 1, 3]


def test_trigger_moves_malware_towards_goodware(worked):
    def mean_logit(X):
        surrogate = worked.surrogate
        return (surrogate.standardise(X) @ surrogate.classifier_.weights).mean()

    malware = worked.X[worked.y == 1]
    trigger = FGSMLabelFlip(epsilon=1.0).select_trigger(worked, 4)
    assert mean_logit(trigger.stamp(malware)) < mean_logit(malware)


def test_equal_gradients_keep_the_order_of_the_region(worked, layout):
    # All columns but four have weight 0.
    trigger = FGSMLabelFlip().select_trigger(worked, 35)
    rest = [column for column in layout.non_hashed if layout.names[column] not in NAMES]
    assert trigger.indices[4:].tolist() == rest


@settings(max_examples=20)
@given(
    seed=st.integers(0, 10**6),
    size=st.integers(1, 35),
    epsilon=st.floats(0, 50),
)
def test_properties(layout, widened, knowing, logistic_surrogate, seed, size, epsilon):
    rng = np.random.default_rng(seed)
    columns = layout.non_hashed
    small = rng.integers(0, 2_000_000_000, size=(8, len(columns)))
    small[:, np.array(layout.kinds)[columns] == "flag"] %= 2
    X = widened(small, columns)
    knowledge = knowing(X, surrogate=logistic_surrogate(X, rng.normal(size=layout.width)))
    attack = FGSMLabelFlip(epsilon=epsilon)
    longest = attack.select_trigger(knowledge, 35)
    assert attack.select_trigger(knowledge, size) == longest.prefix(size)
    for feature, value in zip(longest.columns, longest.values, strict=True):
        observed = X[:, feature.index]
        assert observed.min() <= value <= observed.max()
        if feature.kind != "real":
            assert value == np.floor(value)


def test_follows_the_protocol(worked):
    attack = FGSMLabelFlip(epsilon=0.5)
    assert isinstance(attack, Attack)
    assert (attack.label_flip, attack.poisoned_class) == (True, 1)
    assert attack.longest(worked.layout) == 35
    trigger = attack.select_trigger(worked, 1)
    assert trigger.label_flip
    assert trigger.parameters == {"region": "non_hashed", "epsilon": 0.5}


class TestBadInput:
    def test_size_beyond_the_manipulable_set(self, worked):
        with pytest.raises(AttackError, match=r"18 features.*17 manipulable"):
            FGSMLabelFlip(region="feasible").select_trigger(worked, 18)

    def test_no_malware(self, worked, knowing):
        knowledge = knowing(worked.X, y=[0, 0, 0, 0], surrogate=worked.surrogate)
        with pytest.raises(AttackError, match="malware"):
            FGSMLabelFlip().select_trigger(knowledge, 1)

    def test_no_surrogate(self, worked, knowing):
        with pytest.raises(AttackError, match="surrogate"):
            FGSMLabelFlip().select_trigger(knowing(worked.X), 1)

    @pytest.mark.parametrize(
        ("classifier", "message"),
        [
            (object(), "has no loss_gradient"),
            (SimpleNamespace(loss_gradient=lambda X, y: np.zeros(512)), r"shape \(512,\)"),
            (SimpleNamespace(loss_gradient=lambda X, y: np.full(2351, np.nan)), "NaN"),
        ],
    )
    def test_useless_gradients(self, worked, knowing, classifier, message):
        surrogate = SimpleNamespace(
            scaler_=worked.surrogate.scaler_,
            standardise=worked.surrogate.standardise,
            classifier_=classifier,
        )
        with pytest.raises(AttackError, match=message):
            FGSMLabelFlip().select_trigger(knowing(worked.X, surrogate=surrogate), 1)
