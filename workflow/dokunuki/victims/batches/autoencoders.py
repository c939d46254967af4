"""The autoencoder of a cell with several seeds, in one job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dokunuki.attacks.poisoning import read_poison
from dokunuki.corpus.vectors import read_vectors
from dokunuki.progress import logger
from dokunuki.victims.autoencoders import train_autoencoder
from dokunuki.victims.cost import write_cost

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dokunuki.victims.compute import Compute

Spec = dict[str, Any]


@dataclass(frozen=True)
class AutoencoderRun:
    """The files of an autoencoder, and its seed; `poison` is empty for the unpoisoned cell."""

    seed: int
    vectors: str
    poison: str
    autoencoder: str
    cost: str


def train_autoencoder_seeds(
    runs: Iterable[AutoencoderRun], spec: Spec, cell: Mapping[str, Any], compute: Compute
) -> None:
    """Train an autoencoder of a cell with each seed; see `train_autoencoder`.

    `cell` holds the `size` N of the trigger and the `rate_percent` p, or nothing without poison.
    The cost of a run has its own seconds. Its peak memory is the process's so far.
    """
    for run in runs:
        logger.info("%s", run.autoencoder)
        poison = read_poison(run.poison, vectors=run.vectors).cell(**cell) if run.poison else None
        cost = train_autoencoder(
            read_vectors(run.vectors),
            poison,
            spec,
            seed=run.seed,
            compute=compute,
            path=run.autoencoder,
        )
        write_cost(run.cost, cost)
