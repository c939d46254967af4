import numpy as np
import pytest
from sklearn.base import clone

from dokunuki.defences.bounds import OracleRemoval, RandomRemoval
from dokunuki.defences.protocol import defence_kind
from dokunuki.errors import DokunukiError


@pytest.fixture
def rows(rng):
    X = rng.normal(size=(60, 5)).astype(np.float32)
    y = (np.arange(60) % 2).astype(np.int8)
    poison = np.zeros(60, dtype=bool)
    poison[[3, 10, 11, 40]] = True
    return X, y, poison


def test_the_oracle_leaves_exactly_the_clean_rows(rows):
    X, y, poison = rows
    bound = clone(OracleRemoval())
    assert defence_kind(bound) == "sampler"
    bound.give_poison(poison)
    kept, labels = bound.fit_resample(X, y)
    np.testing.assert_array_equal(kept, X[~poison])
    np.testing.assert_array_equal(labels, y[~poison])
    np.testing.assert_array_equal(bound.sample_indices_, np.flatnonzero(~poison))
    assert bound.sample_indices_.dtype == np.int64


def removed(rows, seed):
    X, y, poison = rows
    bound = RandomRemoval(seed=seed)
    bound.give_poison(poison)
    bound.fit_resample(X, y)
    return np.setdiff1d(np.arange(len(X)), bound.sample_indices_)


def test_chance_removes_as_many_rows_labelled_goodware(rows):
    drawn = removed(rows, seed=1)
    assert len(drawn) == 4
    assert (rows[1][drawn] == 0).all()
    np.testing.assert_array_equal(drawn, removed(rows, seed=1))
    assert set(drawn) != set(removed(rows, seed=2))


@pytest.mark.parametrize("bound", [OracleRemoval, RandomRemoval])
def test_without_an_attack_nothing_is_removed(rows, bound):
    X, y, poison = rows
    told = bound()
    told.give_poison(np.zeros_like(poison))
    np.testing.assert_array_equal(told.fit_resample(X, y)[0], X)


@pytest.mark.parametrize("bound", [OracleRemoval, RandomRemoval])
def test_a_bound_that_nobody_told_says_so(rows, bound):
    X, y, poison = rows
    with pytest.raises(DokunukiError, match="give_poison"):
        bound().fit_resample(X, y)
    told = bound()
    told.give_poison(poison[:-1])
    with pytest.raises(DokunukiError, match="mask of 59 rows, but there are 60"):
        told.fit_resample(X, y)
