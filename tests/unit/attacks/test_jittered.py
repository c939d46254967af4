"""Triggers that jitter: what each poisoned row holds."""

from __future__ import annotations

import numpy as np
import pytest

from dokunuki.attacks.adaptive import AutoencoderAdaptive
from dokunuki.attacks.jittered import JitteredAutoencoderAdaptive, JitteredFGSM
from dokunuki.attacks.protocol import Attack, VariesTrigger
from dokunuki.attacks.trigger import Trigger, trigger_feature
from dokunuki.errors import ConfigError

# A count, a number that is none, and a flag.
NAMES = ["numstrings", "avlength", "has_debug"]
VALUES = [50.0, 5.0, 1.0]


@pytest.fixture
def trigger(layout):
    features = [
        trigger_feature(layout, column, value, {})
        for column, value in zip(layout.indices(NAMES), VALUES, strict=True)
    ]
    return Trigger(
        attack="jittered-fgsm",
        columns=tuple(features),
        label_flip=True,
        surrogate="embernn",
        seed=0,
        parameters={},
        layout=layout,
        dataset="toy",
    )


@pytest.fixture
def observed(rng):
    return np.column_stack(
        [rng.integers(0, 100, 200), rng.normal(5, 2, 200), rng.integers(0, 2, 200)]
    ).astype(np.float32)


def test_rows_hold_values_of_their_own_near_the_triggers(trigger, observed):
    values = JitteredFGSM(jitter=0.5).poison_values(trigger, observed, 40, seed=1)
    assert (values.dtype, values.shape) == (np.float32, (40, 3))
    width = 0.5 * observed.std(axis=0)
    assert (np.abs(values[:, 0] - 50) <= width[0] + 0.5).all()
    assert (np.abs(values[:, 1] - 5) <= width[1] + 1e-6).all()
    assert (values[:, 0] == values[:, 0].round()).all()
    assert len(np.unique(values[:, 1])) == 40
    assert len(np.unique(values[:, 0])) > 10
    assert (values[:, 2] == 1).all()


def test_values_stay_in_the_range_of_the_rows(trigger, observed):
    values = JitteredFGSM(jitter=100.0).poison_values(trigger, observed, 400, seed=1)
    assert values[:, 0].min() == observed[:, 0].min()
    assert values[:, 1].max() == observed[:, 1].max()


def test_fewer_rows_and_features_give_the_upper_left_part(trigger, observed):
    attack = JitteredFGSM()
    whole = attack.poison_values(trigger, observed, 40, seed=1)
    part = attack.poison_values(trigger.prefix(2), observed[:, :2], 7, seed=1)
    np.testing.assert_array_equal(part, whole[:7, :2])
    other = attack.poison_values(trigger, observed, 40, seed=2)
    assert not np.array_equal(other, whole)


@pytest.mark.parametrize("jitter", [0.0, -1.0, float("inf"), float("nan")])
def test_a_jitter_that_is_no_width_is_refused(trigger, observed, jitter):
    with pytest.raises(ConfigError, match=r"jitter: .* must be a positive number"):
        JitteredFGSM(jitter=jitter).poison_values(trigger, observed, 4, seed=1)


@pytest.mark.parametrize("attack", [JitteredFGSM(), JitteredAutoencoderAdaptive(label_flip=True)])
def test_follows_the_protocols(attack, layout):
    assert isinstance(attack, Attack)
    assert isinstance(attack, VariesTrigger)
    assert (attack.label_flip, attack.poisoned_class) == (True, 1)
    assert attack.longest(layout) == 35
    assert not isinstance(AutoencoderAdaptive(), VariesTrigger)
