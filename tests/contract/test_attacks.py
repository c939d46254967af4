"""What holds for every attack of the catalogue: its trigger, and the poison that is planted."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from contract.entries import (
    CONFIG,
    LAYOUT,
    SEED,
    few_rows,
    made,
    names_an_unknown_parameter,
    of_every,
    says_clearly,
    toy_rows,
    unchanged,
)
from dokunuki.attacks.planting import plant
from dokunuki.attacks.protocol import Attack, AttackerKnowledge
from dokunuki.attacks.trigger import read_trigger, write_trigger
from dokunuki.corpus.vectors import Vectors
from dokunuki.errors import AttackError
from dokunuki.study.specs import attack_spec, part_spec, split_surrogate_id, surrogate_id
from dokunuki.surrogate.explaining import explain_surrogate
from dokunuki.surrogate.share import known_rows
from dokunuki.surrogate.training import train_surrogate

SIZE, SHORTER = 6, 3
RATE = 10

every = of_every("attacks")


@cache
def _vectors():
    X, y, _ = toy_rows()
    sha256 = np.array([f"{row:064x}" for row in range(len(X))])
    months, roles = np.full(len(X), "2017-01"), np.full(len(X), "train")
    return Vectors(X, y, sha256, months, roles, LAYOUT, "toy", "ember")


@cache
def _surrogate(surrogate):
    """The attacker's model and its explanations, by the id of the surrogate."""
    classifier, share = split_surrogate_id(surrogate)
    spec = part_spec(CONFIG, "classifiers", classifier)
    asked = {"seed": SEED, "share": share, "precision": "float32"}
    model = train_surrogate(_vectors(), spec, device="cpu", threads=1, **asked)
    return model, explain_surrogate(model, _vectors(), background=4, samples=2, **asked)


def _attack(name):
    return made(part_spec(CONFIG, "attacks", name))


def _knowledge(name, rows=None):
    """All that an attacker knows, or the rows at some positions of it."""
    surrogate, explanations = _surrogate(surrogate_id(CONFIG, name))
    known = known_rows(_vectors().y, CONFIG["attacks"][name]["attacker_share"], SEED)
    rows = np.arange(len(known)) if rows is None else rows
    X, y = _vectors().X[known][rows], _vectors().y[known][rows]
    return AttackerKnowledge(X, y, LAYOUT, explanations[rows], surrogate, SEED, "model", "toy")


@cache
def _trigger(name):
    knowledge = _knowledge(name)
    with unchanged(knowledge.X, knowledge.y, knowledge.explanations):
        return _attack(name).select_trigger(knowledge, SIZE)


def _plant(name):
    surrogate, explanations = _surrogate(surrogate_id(CONFIG, name))
    made(part_spec(CONFIG, "attacks", name))  # skips where a package is missing
    spec = attack_spec(CONFIG, name) | {"size": SIZE, "rate": RATE}
    return plant(
        _vectors(),
        spec,
        seed=SEED,
        surrogate_name="model",
        surrogate=lambda: surrogate,
        explanations=lambda: explanations,
        precision="float32",
    )


@cache
def _planted(name):
    with unchanged(_vectors().X, _vectors().y, _surrogate(surrogate_id(CONFIG, name))[1]):
        return _plant(name)


@every
def test_it_follows_the_protocol(name):
    assert isinstance(_attack(name), Attack)


@every
def test_an_unknown_parameter_is_named(name):
    names_an_unknown_parameter(part_spec(CONFIG, "attacks", name))


@pytest.mark.promise(8)
@every
def test_the_same_seed_gives_the_same_trigger_and_poison(name):
    trigger, poison = _planted(name)
    trigger_again, poison_again = _plant(name)
    assert trigger_again == trigger
    assert (poison_again.train_rows, poison_again.poisoned_class) == (
        poison.train_rows,
        poison.poisoned_class,
    )
    for array in ("indices", "columns", "values", "labels"):
        np.testing.assert_array_equal(getattr(poison_again, array), getattr(poison, array))


@every
def test_a_shorter_trigger_is_a_prefix(name):
    shorter = _attack(name).select_trigger(_knowledge(name), SHORTER)
    assert shorter == _trigger(name).prefix(SHORTER)


@every
def test_no_trigger_is_longer_than_the_longest(name):
    attack = _attack(name)
    longest = attack.longest(LAYOUT)
    assert SIZE <= longest <= LAYOUT.width
    with pytest.raises(AttackError):
        attack.select_trigger(_knowledge(name), longest + 1)


@every
def test_its_columns_lie_in_its_region_and_come_back_from_the_file(name, tmp_path):
    trigger = _trigger(name)
    assert len(set(trigger.indices.tolist())) == trigger.size == SIZE
    assert np.isfinite(trigger.values).all()
    region = getattr(_attack(name), "region", "every")
    assert np.isin(trigger.indices, LAYOUT.columns(region)).all()
    write_trigger(tmp_path / "trigger.json", trigger)
    assert read_trigger(tmp_path / "trigger.json") == trigger


@every
def test_poison_is_of_the_class_and_has_the_label_that_it_says(name):
    attack = _attack(name)
    trigger, poison = _planted(name)
    assert trigger.label_flip == attack.label_flip
    assert trigger.attack == name
    assert poison.poisoned_class == attack.poisoned_class
    assert poison.count == RATE * len(_vectors().y) // 100
    assert (_vectors().y[poison.indices] == attack.poisoned_class).all()
    label = 1 - attack.poisoned_class if attack.label_flip else attack.poisoned_class
    assert (poison.labels == label).all()
    np.testing.assert_array_equal(poison.columns, trigger.indices)
    stamped = poison.values == trigger.values
    if hasattr(attack, "poison_values"):
        held = _vectors().X[:, poison.columns]
        lowest = np.minimum(held.min(axis=0), trigger.values)
        highest = np.maximum(held.max(axis=0), trigger.values)
        assert ((lowest <= poison.values) & (poison.values <= highest)).all()
        return
    if not hasattr(attack, "poison_mask"):
        assert stamped.all()
    own = _vectors().X[np.ix_(poison.indices, poison.columns)]
    assert (stamped | (poison.values == own)).all()


@every
def test_too_few_rows_are_said_clearly(name):
    attack = _attack(name)
    spec = part_spec(CONFIG, "attacks", name)
    for rows in _few():
        knowledge = _knowledge(name, rows)
        with says_clearly(spec):
            assert attack.select_trigger(knowledge, SHORTER).size == SHORTER
            if hasattr(attack, "poison_order"):
                candidates = knowledge.X[knowledge.y == attack.poisoned_class]
                order = attack.poison_order(knowledge, candidates)
                np.testing.assert_array_equal(np.sort(order), np.arange(len(candidates)))


def _few():
    """Positions of known rows: as many of both classes as `few_rows` has, of those of the least."""
    labels = _vectors().y[known_rows(_vectors().y, 10, SEED)]
    goodware, malware = np.flatnonzero(labels == 0), np.flatnonzero(labels == 1)
    for _, y, _ in few_rows():
        yield np.concatenate([goodware[: (y == 0).sum()], malware[: (y == 1).sum()]])
