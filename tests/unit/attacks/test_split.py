from __future__ import annotations

import numpy as np
import pytest

from dokunuki.attacks.independent import IndependentSelection
from dokunuki.attacks.protocol import Attack
from dokunuki.attacks.split import SplitFGSM, SplitIndependent
from dokunuki.attacks.split_adaptive import SplitAutoencoderAdaptive
from dokunuki.errors import ConfigError


def test_mask_worked_by_hand():
    # Features 0, 3 are part 0, features 1, 4 part 1, feature 2 part 2; rows take parts in turn.
    mask = SplitFGSM(groups=3).poison_mask(4, 5, seed=1)
    assert mask.astype(int).tolist() == [
        [1, 0, 0, 1, 0],
        [0, 1, 0, 0, 1],
        [0, 0, 1, 0, 0],
        [1, 0, 0, 1, 0],
    ]
    assert mask.dtype == bool


@pytest.mark.parametrize("groups", [2, 3, 8])
def test_prefixes_and_shares(groups):
    mask = SplitIndependent(groups=groups).poison_mask(24, 32, seed=1)
    for count, size in [(1, 1), (5, 32), (24, 7)]:
        smaller = SplitIndependent(groups=groups).poison_mask(count, size, seed=1)
        assert np.array_equal(smaller, mask[:count, :size])
    # Every feature is in a share of 1 / groups of the rows; no two rows of `groups` share one.
    assert (mask.sum(axis=0) == 24 / groups).all()
    assert (mask[:groups].sum(axis=0) == 1).all()


def test_the_trigger_is_that_of_the_attack_that_is_split(layout, knowing, rng):
    X = rng.integers(0, 5, size=(20, layout.width)).astype(np.float32)
    knowledge = knowing(X, rng.normal(size=X.shape).astype(np.float32))
    whole = IndependentSelection(values="count_abs_shap").select_trigger(knowledge, 8)
    split = SplitIndependent(values="count_abs_shap", groups=2).select_trigger(knowledge, 8)
    assert split.columns == whole.columns
    assert split.attack == "split-independent"
    assert split.parameters == {"region": "non_hashed", "values": "count_abs_shap", "groups": 2}


@pytest.mark.parametrize(
    ("attack", "flip"),
    [
        (SplitFGSM(), True),
        (SplitIndependent(), False),
        (SplitAutoencoderAdaptive(label_flip=True), True),
    ],
)
def test_follows_the_protocol(attack, flip, layout):
    assert isinstance(attack, Attack)
    assert (attack.label_flip, attack.poisoned_class) == (flip, int(flip))
    assert attack.longest(layout) == 35


@pytest.mark.parametrize("groups", [1, 0, -2])
def test_groups_that_split_nothing(groups):
    with pytest.raises(ConfigError, match="groups"):
        SplitFGSM(groups=groups).poison_mask(4, 4, seed=1)
