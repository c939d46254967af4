"""Worker processes that may crash or hang: each is replaced, and its task has an error instead.

The pools of the standard library end when one of their processes is killed.
"""

from __future__ import annotations

import resource
import signal
import time
from collections import deque
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.connection import Connection

_Result = TypeVar("_Result")

# What finished before its turn waits in memory: so many per worker.
_AHEAD = 32
_READY = b"ready"
_LAST_SECONDS = 10.0


class Failure(NamedTuple):
    """What became of a task whose worker is no more: `kind` is "crashed" or "timed_out"."""

    kind: str
    message: str


def results(
    function: Callable[[str], _Result], tasks: Sequence[str], workers: int, max_seconds: float
) -> Iterator[_Result | Failure]:
    """`function` of each task, in the order of the tasks, from `workers` processes.

    `function` must be picklable. A task that takes longer than `max_seconds` has its process
    killed, and one whose process ends has a Failure too; others are not touched by either. Raises
    RuntimeError when a process ends before it has begun.
    """
    waiting = deque(enumerate(tasks))
    finished: dict[int, _Result | Failure] = {}
    pool = [_Worker(function) for _ in range(max(1, min(workers, len(tasks))))]
    following = 0
    try:
        while following < len(tasks):
            for worker in pool:
                near = waiting and waiting[0][0] < following + _AHEAD * len(pool)
                if worker.idle and near:
                    worker.give(*waiting.popleft(), max_seconds)
            now = time.monotonic()
            timeout = max(0.0, min(worker.deadline for worker in pool) - now)
            heard = wait([worker.connection for worker in pool], min(timeout, 3600.0))
            for place, worker in enumerate(pool):
                task = worker.task
                if worker.connection in heard:
                    answer = worker.answer()
                elif worker.deadline <= time.monotonic():
                    answer = worker.stop(max_seconds)
                else:
                    continue
                if isinstance(answer, Failure):
                    pool[place] = _Worker(function)
                if task is not None and answer is not None:
                    finished[task] = answer
            while following in finished:
                yield finished.pop(following)
                following += 1
    finally:
        for worker in pool:
            worker.end()


class _Worker(Generic[_Result]):
    """One process, and the task that it has."""

    def __init__(self, function: Callable[[str], _Result]) -> None:
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, function), daemon=True)
        self.process.start()
        theirs.close()
        self.task: int | None = None
        self.deadline = float("inf")
        self._is_ready = False

    @property
    def idle(self) -> bool:
        """Whether it can be given a task."""
        return self._is_ready and self.task is None

    def give(self, number: int, task: str, max_seconds: float) -> None:
        """Have it work; the time runs from here. One that has ended meanwhile is heard of later."""
        self.task = number
        self.deadline = time.monotonic() + max_seconds
        with suppress(OSError):
            self.connection.send(task)

    def answer(self) -> _Result | Failure | None:
        """What it sent: a result, or a Failure when it has ended; None when it says it is ready."""
        try:
            sent = self.connection.recv()
        except (EOFError, OSError):
            # It may close the pipe some time before it is gone.
            self.process.join(_LAST_SECONDS)
            ending = _ending(self.process.exitcode)
            self.end()
            if not self._is_ready:
                raise RuntimeError(f"a worker process ended before it began ({ending})") from None
            return Failure("crashed", f"the parser crashed ({ending})")
        if not self._is_ready:
            self._is_ready = True
            return None
        self.task = None
        self.deadline = float("inf")
        result: _Result = sent
        return result

    def stop(self, max_seconds: float) -> Failure:
        """End it, since its task takes too long."""
        self.end()
        return Failure("timed_out", f"not finished after {max_seconds:g} s (max_seconds)")

    def end(self) -> None:
        """End the process, whatever it does."""
        self.process.kill()
        self.process.join()
        self.connection.close()


def _serve(connection: Connection, function: Callable[[str], Any]) -> None:
    """What a worker process does: tasks come, results go, until nobody listens any more."""
    # A crash is told in the listing, and needs no core file of its own.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Ctrl-C is the parent's business, which ends this process then.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        connection.send(_READY)
        while True:
            connection.send(function(connection.recv()))


def _ending(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        with suppress(ValueError):
            return signal.Signals(-exitcode).name
    return f"exit code {exitcode}"
