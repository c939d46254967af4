"""The rows that the samplers of a defence leave with several seeds, in one job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dokunuki.attacks.poisoning import read_poison
from dokunuki.corpus.vectors import read_vectors
from dokunuki.progress import logger
from dokunuki.victims.cost import write_cost
from dokunuki.victims.row_choices import choose_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dokunuki.victims.compute import Compute

Spec = dict[str, Any]


@dataclass(frozen=True)
class RowChoiceRun:
    """The files of a row choice, and its seed; `poison` is empty for the unpoisoned cell."""

    seed: int
    vectors: str
    poison: str
    choice: str
    cost: str


def choose_rows_seeds(
    runs: Iterable[RowChoiceRun], spec: Spec, cell: Mapping[str, Any], compute: Compute
) -> None:
    """Choose the rows of a cell for a defence with each seed; see `choose_rows`.

    `cell` holds the `size` N of the trigger and the `rate_percent` p, or nothing without poison.
    The cost of a run has its own seconds. Its peak memory is the process's so far.
    """
    for run in runs:
        logger.info("%s", run.choice)
        poison = read_poison(run.poison, vectors=run.vectors).cell(**cell) if run.poison else None
        cost = choose_rows(
            read_vectors(run.vectors),
            poison,
            spec,
            seed=run.seed,
            compute=compute,
            path=run.choice,
        )
        write_cost(run.cost, cost)
