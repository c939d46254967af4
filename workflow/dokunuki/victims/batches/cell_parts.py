"""What the victims of a cell share, its autoencoder or the rows that a defence chooses, by seed.

Which of the two it is, a script says: this module imports neither, so that no job depends on the
other kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from dokunuki.attacks.poisoning import read_poison
from dokunuki.corpus.vectors import read_vectors
from dokunuki.progress import logger
from dokunuki.victims.cost import write_cost

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dokunuki.attacks.poisoning import Poison
    from dokunuki.corpus.vectors import Vectors
    from dokunuki.victims.compute import Compute
    from dokunuki.victims.cost import Cost

Spec = dict[str, Any]


@dataclass(frozen=True)
class CellPartRun:
    """The files of a part, and its seed; `poison` is empty for the unpoisoned cell."""

    seed: int
    vectors: str
    poison: str
    part: str
    cost: str


class PartMaker(Protocol):
    """`dokunuki.victims.autoencoders.train_autoencoder`, or a function like it."""

    def __call__(
        self,
        vectors: Vectors,
        poison: Poison | None,
        spec: Spec,
        *,
        seed: int,
        compute: Compute,
        path: str,
    ) -> Cost:
        """Make the part of a spec from contaminated rows, and write it to `path`."""


def make_cell_part_seeds(
    make: PartMaker,
    runs: Iterable[CellPartRun],
    spec: Spec,
    cell: Mapping[str, Any],
    compute: Compute,
) -> None:
    """Make a part of a cell with each seed.

    `cell` holds the `size` N of the trigger and the `rate_percent` p, or nothing without poison.
    The cost of a run has its own seconds. Its peak memory is the process's so far.
    """
    for run in runs:
        logger.info("%s", run.part)
        poison = read_poison(run.poison, vectors=run.vectors).cell(**cell) if run.poison else None
        cost = make(
            read_vectors(run.vectors), poison, spec, seed=run.seed, compute=compute, path=run.part
        )
        write_cost(run.cost, cost)
