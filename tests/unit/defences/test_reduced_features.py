import numpy as np
import pytest

from dokunuki.defences.protocol import defence_kind
from dokunuki.defences.reduced_features import GainSelection
from dokunuki.errors import ConfigError


@pytest.fixture
def toy(rng):
    X = rng.normal(size=(400, 12)).astype(np.float32)
    return X, (X[:, 7] + 0.5 * X[:, 2] > 0).astype(np.int8)


def test_keeps_the_columns_that_decide_the_label(toy):
    X, y = toy
    selection = GainSelection(2, rounds=20).fit(X, y)
    assert selection.columns_.tolist() == [2, 7]
    np.testing.assert_array_equal(selection.transform(X), X[:, [2, 7]])
    assert GainSelection(1, rounds=20).fit(X, y).columns_.tolist() == [7]


def test_unused_columns_come_in_column_order_and_all_columns_change_nothing(toy):
    X, y = toy
    X[:, np.setdiff1d(np.arange(12), [2, 7])] = 0
    assert GainSelection(3, rounds=1).fit(X, y).columns_.tolist() == [0, 2, 7]
    np.testing.assert_array_equal(GainSelection(12, rounds=5).fit(X, y).transform(X), X)


def test_what_it_is_and_what_it_refuses(toy):
    assert defence_kind(GainSelection()) == "transformer"
    for columns in (0, 13):
        with pytest.raises(ConfigError, match="columns"):
            GainSelection(columns).fit(*toy)
