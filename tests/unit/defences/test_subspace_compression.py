import numpy as np
import pytest

from dokunuki.corpus.layout import feature_layout
from dokunuki.defences.subspace_compression import SubspaceCompression, merged_cells
from dokunuki.errors import ConfigError

LAYOUT = feature_layout(1)
COLUMN = LAYOUT.attackable[100]


def _rows(values):
    X = np.zeros((len(values), LAYOUT.width), dtype=np.float32)
    X[:, COLUMN] = values
    return X


def _numbers(defence, values):
    """The numbers of values' intervals, standardising undone."""
    place = 100
    represented = defence.transform(_rows(values))[:, COLUMN]
    return represented * defence.scale_[place] + defence.mean_[place]


def test_a_rare_value_joins_the_neighbour_whose_labels_are_its_own():
    # Shares 0.4, 0.05, 0.4 and 0.15. The 1 is malware, as are the 2s; the 0s are goodware.
    values = [0] * 8 + [1] + [2] * 8 + [3] * 3
    labels = np.array([0] * 8 + [1] + [1] * 8 + [0] * 3)
    defence = SubspaceCompression(LAYOUT, density=0.1).fit(_rows(values), labels)
    np.testing.assert_allclose(_numbers(defence, [0, 1, 2, 3]), [0, 1, 1, 2], atol=1e-5)
    # Goodware, it joins the 0s.
    labels[8] = 0
    defence.fit(_rows(values), labels)
    np.testing.assert_allclose(_numbers(defence, [0, 1, 2, 3]), [0, 0, 1, 2], atol=1e-5)


def test_values_never_seen_belong_to_the_interval_that_they_lie_in():
    values = [0] * 8 + [1] + [2] * 8 + [3] * 3
    labels = np.array([0] * 8 + [1] + [1] * 8 + [0] * 3)
    defence = SubspaceCompression(LAYOUT, density=0.1).fit(_rows(values), labels)
    np.testing.assert_allclose(
        _numbers(defence, [-9, 0.5, 1.5, 2.9, 99]), [0, 0, 1, 1, 2], atol=1e-5
    )


@pytest.mark.parametrize(
    ("rows", "malware", "density", "kept"),
    [
        ([1, 9, 10], [0, 5, 5], 0.05, [0, 2]),  # the first has one neighbour; a bound is met
        ([1, 9, 10], [0, 5, 5], 0.049, [0, 1, 2]),
        ([9, 10, 1], [5, 5, 0], 0.05, [0, 1]),  # so has the last
        ([5, 1, 5], [2, 1, 2], 0.1, [0, 1]),  # neighbours alike: the upper
        ([5, 1, 5], [4, 1, 2], 0.1, [0, 2]),
        ([2, 2, 2, 2], [1, 1, 1, 1], 0.3, [0, 2]),  # the lowest of equals first
        ([2, 2, 2, 2], [1, 1, 1, 1], 0.6, [0]),
        ([7], [3], 0.9, [0]),
    ],
)
def test_merging_by_hand(rows, malware, density, kept):
    assert merged_cells(np.array(rows), np.array(malware), density) == kept


def test_numbers_are_standardised_and_undefended_columns_stay(rng):
    X = rng.normal(size=(300, LAYOUT.width)).astype(np.float32)
    represented = SubspaceCompression(LAYOUT).fit(X, np.arange(300) % 2).transform(X)
    assert represented.dtype == np.float32
    attackable = represented[:, LAYOUT.attackable]
    np.testing.assert_allclose(attackable.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(attackable.std(axis=0), 1, atol=1e-5)
    np.testing.assert_array_equal(represented[:, LAYOUT.undefended], X[:, LAYOUT.undefended])


def test_every_number_is_held_by_more_rows_than_the_density_asks(rng):
    X = _rows(np.exp(rng.normal(size=1000)))
    defence = SubspaceCompression(LAYOUT, density=0.08).fit(X, rng.integers(0, 2, size=1000))
    numbers, counts = np.unique(_numbers(defence, X[:, COLUMN]).round(), return_counts=True)
    assert len(numbers) > 2
    assert counts.min() > 80


def test_many_values_are_cut_into_intervals_of_equal_width():
    # Values 0 to 199 in four intervals of 49.75: 0-49, 50-99, 100-149, 150-199.
    defence = SubspaceCompression(LAYOUT, density=0.1, intervals=4)
    defence.fit(_rows(np.arange(200)), np.arange(200) % 2)
    np.testing.assert_allclose(
        _numbers(defence, [0, 49, 50, 99, 100, 149, 150, 199]), [0, 0, 1, 1, 2, 2, 3, 3], atol=1e-4
    )


def test_values_far_out_do_not_stretch_the_intervals():
    # The quartiles of 0 to 99 are 24.75 and 74.25; 1e6 is cut off at 74.25 + 3 x 49.5 = 222.75 or
    # about. Uncut, all others would lie in the first interval.
    values = np.append(np.arange(100), 1e6)
    defence = SubspaceCompression(LAYOUT, density=0.0, intervals=4)
    defence.fit(_rows(values), np.arange(101) % 2)
    assert 50 < defence.boundaries_[100, 0] < 60


def test_a_column_of_equal_quartiles_becomes_constant():
    values = np.array([0] * 80 + [1] * 20)
    defence = SubspaceCompression(LAYOUT, density=0.01).fit(_rows(values), values)
    np.testing.assert_array_equal(defence.transform(_rows(values))[:, COLUMN], 0)


def test_it_works_in_place(rng):
    X = rng.normal(size=(60, LAYOUT.width)).astype(np.float32)
    defence = SubspaceCompression(LAYOUT, intervals=20).fit(X, np.arange(60) % 2)
    np.testing.assert_array_equal(defence.transform_in_place(X.copy()), defence.transform(X))


@pytest.mark.parametrize(
    ("params", "message"), [({"density": 1.0}, "density: 1.0"), ({"intervals": 1}, "intervals: 1")]
)
def test_parameters_out_of_range_are_named(params, message):
    with pytest.raises(ConfigError, match=message):
        SubspaceCompression(LAYOUT, **params).fit(_rows([0, 1]), np.array([0, 1]))
