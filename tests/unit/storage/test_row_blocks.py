"""Rows changed block by block in their own memory."""

from __future__ import annotations

import numpy as np
import pytest

from dokunuki.storage.row_blocks import change_rows, row_blocks


@pytest.fixture
def matrix(rng):
    return rng.normal(size=(23, 6)).astype(np.float32)


def test_blocks_cover_all_rows_once():
    rows = np.concatenate([np.arange(10)[block] for block in row_blocks(10, 4)])
    np.testing.assert_array_equal(rows, np.arange(10))


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows * 2,
        lambda rows: rows,
        lambda rows: rows[:, [4, 1]],
        lambda rows: rows[:, 2:],  # a view of what is being overwritten
        lambda rows: rows[:, ::-1],
    ],
)
@pytest.mark.parametrize("size", [1, 4, 100])
def test_what_fits_lies_in_the_memory_of_the_rows(matrix, change, size):
    expected = change(matrix.copy())
    result = change_rows(matrix, change, size)
    np.testing.assert_array_equal(result, expected)
    assert np.shares_memory(result, matrix)
    assert result.flags.c_contiguous


@pytest.mark.parametrize(
    "change", [lambda rows: np.hstack([rows, rows]), lambda rows: rows.astype(np.float64)]
)
def test_what_does_not_fit_leaves_the_rows_alone(matrix, change):
    before = matrix.copy()
    np.testing.assert_array_equal(change_rows(matrix, change, 4), change(before))
    np.testing.assert_array_equal(matrix, before)


def test_rows_in_another_order_in_memory_and_no_rows(matrix):
    columns_first = np.asfortranarray(matrix)
    np.testing.assert_array_equal(change_rows(columns_first, np.negative, 4), -matrix)
    assert change_rows(matrix[:0], lambda rows: rows[:, :2]).shape == (0, 2)
