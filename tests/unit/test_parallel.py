from __future__ import annotations

import os

import pytest

from dokunuki.parallel import ordered_map

# Fit for being sent to other processes: builtins.
PIECES = [(number, 2) for number in range(20)]


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_results_come_in_the_order_of_the_pieces(workers):
    assert list(ordered_map(pow, PIECES, workers)) == [number**2 for number in range(20)]


def test_one_worker_is_this_process_and_more_are_others():
    assert set(ordered_map(os.getpid, [()], 1)) == {os.getpid()}
    assert os.getpid() not in set(ordered_map(os.getpid, [()] * 4, 2))


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_comes_where_its_result_would_have_come(workers):
    results = ordered_map(divmod, [(5, 2), (1, 0), (7, 2)], workers)
    assert next(results) == (2, 1)
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_pieces_are_taken_a_few_at_a_time():
    taken = []

    def pieces():
        for piece in PIECES:
            taken.append(piece)
            yield piece

    results = ordered_map(pow, pieces(), 2)
    next(results)
    assert len(taken) < 8
    results.close()
    assert len(taken) < 8
