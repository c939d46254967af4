"""Which rows are poisoned, on a surrogate whose malware score is a row's first column."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from dokunuki.attacks.independent import IndependentSelection
from dokunuki.attacks.protocol import ChoosesRows
from dokunuki.attacks.row_choice import choose_rows, shuffled_rows
from dokunuki.attacks.selection import largest_first
from dokunuki.errors import AttackError, ConfigError
from dokunuki.storage.arrays import write_arrays
from dokunuki.storage.matrix import StoredMatrix

ROWS = 40
SURROGATE = SimpleNamespace(malware_scores=lambda X: X[:, 0])


class ByScore(IndependentSelection):
    """Takes rows by their second column."""

    def poison_order(self, knowledge, candidates):
        return largest_first(candidates[:, [1]][:, 0])


class Flipping(IndependentSelection):
    poisoned_class = 1


class Forgetful(IndependentSelection):
    def poison_order(self, knowledge, candidates):
        return np.zeros(len(candidates), dtype=np.int64)


@pytest.fixture
def y(rng):
    return rng.permutation(np.repeat([0, 1], ROWS // 2))


@pytest.fixture(name="X", params=["in memory", "in a file"])
def training_rows(request, layout, rng, tmp_path, monkeypatch):
    monkeypatch.setattr("dokunuki.storage.row_blocks._BLOCK_ROWS", 8)
    matrix = np.zeros((ROWS, layout.width), dtype=np.float32)
    matrix[:, :2] = rng.permutation(2 * ROWS).reshape(ROWS, 2) / 100
    if request.param == "in memory":
        return matrix
    write_arrays(tmp_path / "vectors.h5", {"X": matrix})
    return StoredMatrix(tmp_path / "vectors.h5", "X")


def chosen(rule, attack, X, y, knowing, known=None, surrogate=SURROGATE):
    known = np.arange(len(y)) if known is None else known
    knowledge = knowing(X[known], y=y[known], surrogate=surrogate)
    return choose_rows(rule, attack, knowledge, X, y)


@pytest.mark.parametrize("rule", ["attack", "random"])
def test_without_an_order_rows_are_those_of_all_attacks_on_the_class(rule, X, y, knowing):
    rows = chosen(rule, IndependentSelection(), X, y, knowing)
    assert np.array_equal(rows, shuffled_rows(y, 0, seed=7))


def test_random_overrules_the_attack(X, y, knowing):
    assert isinstance(ByScore(), ChoosesRows)
    assert np.array_equal(chosen("random", ByScore(), X, y, knowing), shuffled_rows(y, 0, seed=7))


def test_goodware_nearest_to_malware_comes_first(X, y, knowing):
    rows = chosen("near_malware", IndependentSelection(), X, y, knowing)
    assert sorted(rows) == np.flatnonzero(y == 0).tolist()
    assert (np.diff(X[:][rows, 0]) < 0).all()


def test_malware_nearest_to_goodware_comes_first(X, y, knowing):
    rows = chosen("near_malware", Flipping(), X, y, knowing)
    assert sorted(rows) == np.flatnonzero(y == 1).tolist()
    assert (np.diff(X[:][rows, 0]) > 0).all()


def test_ties_fall_at_random(X, y, knowing):
    blind = SimpleNamespace(malware_scores=lambda X: np.full(len(X), 0.5, np.float32))
    rows = chosen("near_malware", IndependentSelection(), X, y, knowing, surrogate=blind)
    assert np.array_equal(rows, shuffled_rows(y, 0, seed=7))


def test_an_attack_may_choose_among_all_rows_of_its_class_whatever_it_knows(X, y, knowing):
    rows = chosen("attack", ByScore(), X, y, knowing, known=np.arange(10))
    assert sorted(rows) == np.flatnonzero(y == 0).tolist()
    assert (np.diff(X[:][rows, 1]) < 0).all()


def test_an_order_must_hold_every_candidate_once(X, y, knowing):
    with pytest.raises(AttackError, match=r"Forgetful\.poison_order must hold each of the 20"):
        chosen("attack", Forgetful(), X, y, knowing)


def test_unknown_rule(X, y, knowing):
    with pytest.raises(ConfigError, match="unknown rule 'near'; known: attack, random, near_mal"):
        chosen("near", IndependentSelection(), X, y, knowing)


def test_scores_that_are_no_numbers_are_refused(X, y, knowing):
    broken = SimpleNamespace(malware_scores=lambda X: np.full(len(X), np.nan))
    with pytest.raises(AttackError, match="the surrogate's scores hold NaN"):
        chosen("near_malware", IndependentSelection(), X, y, knowing, surrogate=broken)
