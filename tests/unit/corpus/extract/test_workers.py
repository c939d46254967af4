"""Workers that crash or hang are replaced; results come in the order of the tasks."""

from __future__ import annotations

import multiprocessing
import os

import pytest

from dokunuki.corpus.extract.workers import Failure, results
from rough_reader import echo_roughly


@pytest.mark.parametrize("workers", [1, 3])
def test_results_stand_in_the_order_of_the_tasks(workers):
    tasks = [f"task {number}" for number in range(300)]
    assert list(results(echo_roughly, tasks, workers, 60)) == [task.upper() for task in tasks]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_crash_and_a_hang_cost_their_own_tasks_only(workers):
    tasks = ["a", "crash 1", "b", "hang", "crash 2", "c"]
    found = list(results(echo_roughly, tasks, workers, 10))
    assert [found[place] for place in (0, 2, 5)] == ["A", "B", "C"]
    kinds = [found[place].kind for place in (1, 3, 4)]
    assert kinds == ["crashed", "timed_out", "crashed"]
    assert "exit code 4" in found[1].message
    assert "10 s" in found[3].message


def test_nothing_is_left_running_when_the_caller_stops_early():
    going = results(echo_roughly, ["a", "hang", "b"], 2, 600)
    assert next(going) == "A"
    going.close()
    assert multiprocessing.active_children() == []


def test_without_tasks_there_are_no_results():
    assert list(results(echo_roughly, [], 4, 1)) == []


class Unloadable:
    """Ends the process that unpickles it, as a parser that is not installed would."""

    def __reduce__(self):
        return os._exit, (5,)


def test_a_worker_that_ends_before_it_begins_is_no_endless_loop():
    with pytest.raises(RuntimeError, match=r"before it began.*exit code 5"):
        list(results(Unloadable(), ["a"], 1, 60))


def test_a_failure_tells_its_kind():
    assert Failure("crashed", "why") == ("crashed", "why")
