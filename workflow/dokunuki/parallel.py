"""Work that is cut into pieces, done by several processes, and put together in order."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ProcessPoolExecutor
from itertools import islice, starmap
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_Result = TypeVar("_Result")


def ordered_map(
    function: Callable[..., _Result], pieces: Iterable[tuple[Any, ...]], workers: int
) -> Iterator[_Result]:
    """What `function` makes of each piece (its arguments), in the order of the pieces.

    With one worker the work is done here. With more, it is done by as many processes, at most a few
    pieces ahead of the reader; `function`, its arguments and its results then have to be fit for
    being sent, and a script that calls this keeps its work under `if __name__ == "__main__"`, since
    the processes import it. What `function` raises is raised where its result would have come.
    """
    if workers <= 1:
        yield from starmap(function, pieces)
        return
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
    try:
        waiting = iter(pieces)
        running = deque(pool.submit(function, *piece) for piece in islice(waiting, 2 * workers))
        while running:
            yield running.popleft().result()
            running += [pool.submit(function, *piece) for piece in islice(waiting, 1)]
    finally:
        # Whatever made the reader stop, nothing that it will not read is begun.
        pool.shutdown(cancel_futures=True)
