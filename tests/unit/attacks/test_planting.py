"""The job of an attack, on a surrogate whose malware score is a row's first column."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from dokunuki.attacks.badnets import BadNets
from dokunuki.attacks.independent import IndependentSelection
from dokunuki.attacks.planting import plant
from dokunuki.attacks.row_choice import shuffled_rows
from dokunuki.attacks.split import SplitIndependent
from dokunuki.corpus.layout import feature_layout
from dokunuki.corpus.vectors import Vectors
from dokunuki.errors import AttackError
from dokunuki.surrogate.share import known_rows

SEED = 3


@pytest.fixture(scope="module")
def vectors(layout):
    rng = np.random.default_rng(6)
    role = np.repeat(["train", "test"], [100, 20])
    X = rng.integers(0, 5, size=(120, layout.width)).astype(np.float32)
    nothing = np.full(120, "")
    return Vectors(
        X,
        np.arange(120, dtype=np.int8) % 2,
        nothing,
        nothing,
        role,
        feature_layout(1),
        "toy",
        "ember",
    )


def not_needed():
    raise AssertionError("loaded, and not needed")


def planted(vectors, attack, surrogate=not_needed, explanations=not_needed, params=None, **spec):
    entry = {
        "name": "mine",
        "class": f"{attack.__module__}.{attack.__qualname__}",
        "params": params or {},
    }
    return plant(
        vectors,
        {"attack": entry, "rows": "attack", "share": 100.0, "size": 8, "rate": 10.0, **spec},
        seed=SEED,
        surrogate_name="embernn",
        surrogate=surrogate,
        explanations=explanations,
    )


def test_nothing_is_loaded_that_the_attack_does_not_need(vectors):
    trigger, poison = planted(vectors, BadNets)
    assert (trigger.attack, trigger.surrogate, trigger.dataset) == ("mine", "embernn", "toy")
    assert (trigger.size, trigger.label_flip, trigger.seed) == (8, True, SEED)
    assert (poison.count, poison.train_rows, poison.poisoned_class) == (10, 100, 1)
    np.testing.assert_array_equal(poison.values, np.tile(trigger.values, (10, 1)))
    assert (poison.labels == 0).all()
    with pytest.raises(AssertionError, match="not needed"):
        planted(vectors, IndependentSelection)


def test_the_trigger_is_as_long_as_the_attack_allows(vectors, layout):
    longest = BadNets().longest(layout)
    trigger, _ = planted(vectors, BadNets, size=longest + 1)
    assert trigger.size == longest


def test_the_attacker_sees_its_share_and_poisons_rows_of_all(vectors):
    known = known_rows(vectors.labels("train"), 20, SEED)
    shap = np.random.default_rng(1).normal(size=vectors.X.shape)[:100].astype(np.float32)
    trigger, poison = planted(
        vectors, IndependentSelection, explanations=lambda: shap[known], share=20.0, rate=30.0
    )
    alone = Vectors(
        vectors.X[known],
        vectors.y[known],
        *(getattr(vectors, name)[known] for name in ("sha256", "appeared", "role")),
        vectors.layout,
        "toy",
        "ember",
    )
    same, _ = planted(alone, IndependentSelection, explanations=lambda: shap[known])
    assert trigger.columns == same.columns
    np.testing.assert_array_equal(
        poison.indices, shuffled_rows(vectors.labels("train"), 0, SEED)[:30]
    )
    with pytest.raises(AttackError, match="do not belong to training rows"):
        planted(vectors, IndependentSelection, explanations=lambda: shap, share=20.0)


def test_rows_near_the_other_class_need_the_surrogate(vectors):
    surrogate = SimpleNamespace(malware_scores=lambda X: X[:, 0])
    _, poison = planted(vectors, BadNets, surrogate=lambda: surrogate, rows="near_malware")
    scores = vectors.part("train")[0][:, 0]
    malware = np.flatnonzero(vectors.labels("train") == 1)
    assert scores[poison.indices].max() <= np.sort(scores[malware])[9]


def test_an_attack_that_masks_its_trigger_leaves_values_out(vectors):
    shap = np.random.default_rng(1).normal(size=vectors.X.shape)[:100].astype(np.float32)
    trigger, poison = planted(vectors, SplitIndependent, explanations=lambda: shap)
    mask = SplitIndependent().poison_mask(10, 8, SEED)
    own = vectors.part("train")[0][np.ix_(poison.indices, trigger.indices)]
    np.testing.assert_array_equal(poison.values, np.where(mask, trigger.values, own))
