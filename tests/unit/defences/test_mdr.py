import numpy as np
import pytest
from scipy.sparse import csr_array

from dokunuki.corpus.layout import feature_layout
from dokunuki.defences.mdr import MDR, communities, strong_pairs, watermark
from loud_poison import loud_rows, removed_by

LAYOUT = feature_layout(1)


def rows(poisoned, flip):
    columns = LAYOUT.non_hashed
    X, y, poison = loud_rows(0, 600, LAYOUT.width, columns[20:28], poisoned, flip, columns[:3])
    others = np.setdiff1d(np.arange(LAYOUT.width), columns)
    X[:, others] = 0  # LightGBM passes constant columns over
    return X, y, poison


@pytest.mark.parametrize("flip", [True, False])
def test_the_rows_with_the_watermark_are_removed_and_no_others(flip):
    X, y, poison = rows(24, flip)
    ours = MDR(LAYOUT)
    removed = removed_by(ours, X, y)
    np.testing.assert_array_equal(removed, poison if flip else np.zeros(len(X), dtype=bool))
    assert set(ours.watermark_) <= set(LAYOUT.non_hashed[20:28])
    assert set(ours.watermark_.values()) == ({6.0} if flip else set())


def test_without_poison_nothing_is_removed():
    X, y, _ = rows(0, True)
    ours = MDR(LAYOUT)
    assert not removed_by(ours, X, y).any()
    assert ours.watermark_ == {}


def test_a_single_row_of_goodware_is_no_community():
    X, y, _ = rows(0, True)
    y[:] = 1
    y[5] = 0
    assert not removed_by(MDR(LAYOUT), X, y).any()


def test_strong_pairs_are_values_with_their_columns():
    rows = np.array([[1, 7], [1, 8], [2, 7]], dtype=np.float32)
    shap = np.array([[-1, -0.5], [-0.2, 0.3], [-0.005, -0.4]])
    pairs, columns, values = strong_pairs(rows, shap)
    assert list(zip(columns.tolist(), values.tolist(), strict=True)) == [(0, 1.0), (1, 7.0)]
    np.testing.assert_array_equal(pairs.toarray(), [[1, 1], [1, 0], [0, 1]])
    assert strong_pairs(rows, np.abs(shap))[0].shape == (3, 0)


def test_rows_that_share_most_are_a_community():
    held = np.zeros((6, 9), dtype=np.int32)
    held[:3, :4] = 1  # three rows share four pairs
    held[3:5, 4:8] = 1  # two others share four
    held[:, 8] = 1  # all share one: less than is asked for
    found = communities(csr_array(held), joined=30, seed=0)
    assert [group.tolist() for group in found] == [[0, 1, 2], [3, 4], [5]]


def test_the_watermark_is_what_the_suspects_hold_and_the_others_do_not():
    rows = np.zeros((10, 4), dtype=np.float32)
    suspects = np.arange(10) < 4
    rows[:4, 0] = 5  # held by all suspects and nobody else
    rows[:4, 1] = 6
    rows[4, 1] = 6  # and by another: less telling, but no less so with column 0
    rows[:3, 2] = 7  # by 3 of 4 suspects: too few
    shap = np.full((10, 4), -1.0)  # in column 3 all hold 0: no candidate
    assert watermark(rows, shap, suspects) == {0: 5.0, 1: 6.0}
    shap[:, 1] = 1.0  # speaks for malware
    assert watermark(rows, shap, suspects) == {0: 5.0}
    assert watermark(rows, -shap * 0, suspects) == {}
