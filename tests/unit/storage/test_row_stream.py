"""Matrices that are written as their rows come."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from dokunuki.storage.arrays import RowStream, open_arrays, read_array, write_arrays

FLOAT = np.dtype(np.float32)


def stored(path):
    with open_arrays(path) as file:
        return read_array(file, "X")


@pytest.mark.parametrize("rows", [1, 7, 2000])
def test_batches_in_any_order_give_the_matrix(tmp_path, rows):
    X = np.random.default_rng(0).normal(size=(rows, 300)).astype(np.float32)
    order = np.random.default_rng(1).permutation(rows)
    batches = ((part.tolist(), X[part]) for part in np.array_split(order, 3))
    write_arrays(tmp_path / "a.h5", {"X": RowStream(X.shape, FLOAT, batches)})
    np.testing.assert_array_equal(stored(tmp_path / "a.h5"), X)


def test_no_rows_are_no_rows(tmp_path):
    write_arrays(tmp_path / "a.h5", {"X": RowStream((0, 5), FLOAT, iter(()))})
    assert stored(tmp_path / "a.h5").shape == (0, 5)


def test_a_failing_stream_leaves_no_file(tmp_path):
    def batches():
        yield [0], np.ones((1, 3), np.float32)
        raise RuntimeError("the release has changed")

    with pytest.raises(RuntimeError, match="has changed"):
        write_arrays(tmp_path / "a.h5", {"X": RowStream((2, 3), FLOAT, batches())})
    assert list(tmp_path.iterdir()) == []


def test_memory_does_not_grow_with_the_rows(tmp_path):
    def peak(rows):
        batches = (
            (range(start, start + 100), np.full((100, 1000), start, np.float32))
            for start in range(0, rows, 100)
        )
        tracemalloc.start()
        write_arrays(tmp_path / f"{rows}.h5", {"X": RowStream((rows, 1000), FLOAT, batches)})
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    further_bytes = 18_000 * 1000 * 4
    assert peak(20_000) - peak(2_000) < 0.02 * further_bytes
