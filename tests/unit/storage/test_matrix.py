"""A matrix in a file indexes as the same matrix in memory does."""

from __future__ import annotations

import os

import numpy as np
import pytest

from dokunuki.errors import DataFileError
from dokunuki.storage import arrays
from dokunuki.storage.arrays import write_arrays
from dokunuki.storage.matrix import StoredMatrix, blocks_of, only_rows
from dokunuki.storage.seals import check_seal


@pytest.fixture
def matrix(rng):
    return rng.normal(size=(50, 7)).astype(np.float32)


@pytest.fixture
def stored(matrix, tmp_path, monkeypatch):
    monkeypatch.setattr("dokunuki.storage.row_blocks._BLOCK_ROWS", 8)
    write_arrays(tmp_path / "matrix.h5", {"X": matrix})
    return StoredMatrix(tmp_path / "matrix.h5", "X")


KEYS = [
    slice(None),
    slice(5, 20),
    np.arange(50) % 3 == 0,
    np.array([40, 3, 3, 12]),
    np.array([], dtype=int),
    (slice(None), [6, 0]),
    (slice(10, 12), slice(2, 4)),
]


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_indexes_as_numpy_does(stored, matrix, key):
    np.testing.assert_array_equal(stored[key], matrix[key])
    assert stored[key].dtype == matrix.dtype
    assert stored[key].shape == matrix[key].shape
    assert stored[key].flags.writeable


@pytest.mark.parametrize("key", KEYS[3:], ids=str)
def test_some_of_its_rows_are_a_matrix_too(stored, matrix, key):
    odd = np.arange(50) % 2 == 1
    part = stored.only(odd)
    assert (part.shape, part.ndim, len(part)) == ((25, 7), 2, 25)
    wanted = np.array([20, 1]) if isinstance(key, np.ndarray) else key
    np.testing.assert_array_equal(part[wanted], matrix[odd][wanted])
    np.testing.assert_array_equal(part.only(np.array([3, 2]))[:], matrix[odd][[3, 2]])


def test_is_an_array_where_one_is_asked_for(stored, matrix):
    np.testing.assert_array_equal(np.asarray(stored, dtype=np.float64), matrix.astype(np.float64))


def test_rows_and_columns_by_index_are_refused(stored):
    with pytest.raises(IndexError, match="takes a slice of rows"):
        stored[np.array([1, 2]), np.array([3, 4])]


def test_reads_no_more_rows_than_the_blocks_that_hold_them(stored, monkeypatch):
    read = []

    def spying(file, name, rows, read_array=arrays.read_array):
        read.append(rows)
        return read_array(file, name, rows)

    monkeypatch.setattr(arrays, "read_array", spying)
    stored[np.array([17, 23, 41])]
    assert [rows.start for rows in read] == [16, 40]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataFileError, match=r"none\.h5: no such file"):
        StoredMatrix(tmp_path / "none.h5", "X")


def test_its_file_is_checked_once_and_again_when_it_changed(stored, matrix, tmp_path, monkeypatch):
    hashed = []
    monkeypatch.setattr(arrays, "check_seal", lambda path: hashed.append(path) or check_seal(path))
    path = tmp_path / "matrix.h5"
    os.utime(path, (0, 0))
    for row in range(5):
        np.testing.assert_array_equal(stored[row : row + 1], matrix[row : row + 1])
    assert len(hashed) == 1
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(DataFileError, match=r"matrix\.h5: damaged"):
        stored[:1]


def test_some_rows_stay_where_the_matrix_is(matrix, stored):
    rows = np.array([40, 3, 12])
    assert isinstance(only_rows(stored, rows), StoredMatrix)
    for held in (matrix, stored):
        assert np.array_equal(only_rows(held, rows)[:], matrix[rows])


@pytest.mark.parametrize("kept", [slice(None), np.arange(50) % 3 == 0, [40, 3, 12], [4, 4, 5]])
def test_its_blocks_are_all_rows_in_their_order(matrix, stored, kept):
    for held in (matrix[kept], stored.only(kept)):
        blocks = list(blocks_of(held))
        assert [place.start for place, _ in blocks] == sorted(place.start for place, _ in blocks)
        together = np.full_like(matrix[kept], np.nan)
        for place, rows in blocks:
            together[place] = rows
        np.testing.assert_array_equal(together, matrix[kept])


def test_blocks_of_some_rows(matrix, stored):
    rows = np.array([1, 2, 9, 30, 49])
    for held in (matrix, stored):
        blocks = [part for _, part in blocks_of(held, rows)]
        np.testing.assert_array_equal(np.concatenate(blocks), matrix[rows])


def test_blocks_read_each_part_of_the_file_once(stored, monkeypatch):
    read = []

    def spying(file, name, rows, read_array=arrays.read_array):
        read.append(rows.start)
        return read_array(file, name, rows)

    monkeypatch.setattr(arrays, "read_array", spying)
    list(stored.only(np.array([1, 2, 9, 30, 31, 49])).blocks())
    assert read == [0, 8, 24, 48]
