import numpy as np
import pytest
from loud_poison import loud_rows, removed_by
from scipy.sparse import csr_array

from dokunuki.corpus.layout import feature_layout
from dokunuki.defences.mdr import MDR, communities, strong_pairs, watermark

LAYOUT = feature_layout(1)


@pytest.mark.parametrize("flip", [True, False])
def test_exactly_the_rows_with_the_watermark_are_removed(flip):
    columns = LAYOUT.non_hashed
    X, y, poison = loud_rows(0, 400, LAYOUT.width, columns[20:28], 16, flip, columns[:3], value=1.5)
    ours = MDR(LAYOUT)
    np.testing.assert_array_equal(removed_by(ours, X, y), poison)
    assert set(ours.watermark_) <= set(columns[20:28])
    assert set(ours.watermark_.values()) == {1.5}


def test_without_poison_nothing_is_removed():
    columns = LAYOUT.non_hashed
    X, y, _ = loud_rows(0, 200, LAYOUT.width, columns[20:28], 0, True, columns[:3])
    ours = MDR(LAYOUT)
    assert not removed_by(ours, X, y).any()
    assert ours.watermark_ == {}


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
    rows[4:7, 1] = 6  # and by others: less telling, but no less with column 0
    rows[:3, 2] = 7  # by 3 of 4 suspects: too few
    shap = np.full((10, 4), -1.0)  # column 3 is 0 everywhere, as most values: no candidate
    assert watermark(rows, shap, suspects) == {0: 5.0, 1: 6.0}
    shap[:, 1] = 1.0  # speaks for malware
    assert watermark(rows, shap, suspects) == {0: 5.0}
    assert watermark(rows, -shap * 0, suspects) == {}
