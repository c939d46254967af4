"""Victims with several seeds, in one job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dokunuki.attacks.poisoning import read_poison
from dokunuki.attacks.trigger import read_trigger
from dokunuki.corpus.vectors import read_vectors
from dokunuki.progress import logger
from dokunuki.victims.batches.pairing import with_files
from dokunuki.victims.cost import write_cost
from dokunuki.victims.scores import read_scores, write_scores
from dokunuki.victims.training import train_victim

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dokunuki.victims.compute import Compute

Spec = dict[str, Any]


@dataclass(frozen=True)
class VictimRun:
    """The files of a victim and its seeds; `unpoisoned` are the unpoisoned detector's scores."""

    seed: int
    poison_seed: int
    vectors: str
    poison: str
    trigger: str
    unpoisoned: str
    scores: str
    cost: str


def train_victim_seeds(
    runs: Iterable[VictimRun],
    spec: Mapping[str, Spec],
    cell: Mapping[str, Any],
    autoencoders: Sequence[str],
    row_choices: Sequence[str],
    compute: Compute,
) -> None:
    """Train and score a victim with each seed; see `train_victim`.

    `cell` holds the `size` N of the trigger and the `rate_percent` p; `autoencoders` and
    `row_choices` are those of `train_unpoisoned_seeds`. The cost of a run has its own seconds. Its
    peak memory is the process's so far.
    """
    for run, autoencoder, row_choice in with_files(runs, autoencoders, row_choices):
        logger.info("%s", run.scores)
        vectors = read_vectors(run.vectors)
        scores, cost = train_victim(
            vectors,
            read_poison(run.poison, vectors=run.vectors).cell(**cell),
            read_trigger(run.trigger, vectors.layout).prefix(cell["size"]),
            spec,
            autoencoder or None,
            seed=run.seed,
            compute=compute,
            row_choice=row_choice or None,
            unpoisoned=read_scores(run.unpoisoned),
            poison_seed=run.poison_seed,
        )
        write_scores(run.scores, scores)
        write_cost(run.cost, cost)
