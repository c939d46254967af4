"""Unpoisoned detectors with several seeds, in one job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dokunuki.corpus.vectors import read_vectors
from dokunuki.progress import logger
from dokunuki.victims.batches.pairing import with_files
from dokunuki.victims.cost import write_cost
from dokunuki.victims.scores import write_scores
from dokunuki.victims.training import train_unpoisoned

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dokunuki.victims.compute import Compute

Spec = dict[str, Any]


@dataclass(frozen=True)
class UnpoisonedRun:
    """The files of an unpoisoned detector, and its seed."""

    seed: int
    vectors: str
    detector: str
    scores: str
    cost: str


def train_unpoisoned_seeds(
    runs: Iterable[UnpoisonedRun],
    spec: Mapping[str, Spec],
    autoencoders: Sequence[str],
    row_choices: Sequence[str],
    compute: Compute,
) -> None:
    """Train and score an unpoisoned detector with each seed; see `train_unpoisoned`.

    `autoencoders` are the files of the runs' autoencoders in order, weights and cost of each, or
    none; `row_choices` those of the rows that were chosen before, choice and cost. The cost of a
    run has its own seconds. Its peak memory is the process's so far.
    """
    for run, autoencoder, row_choice in with_files(runs, autoencoders, row_choices):
        logger.info("%s", run.scores)
        scores, cost = train_unpoisoned(
            read_vectors(run.vectors),
            spec,
            autoencoder or None,
            seed=run.seed,
            compute=compute,
            row_choice=row_choice or None,
            folder=run.detector,
        )
        write_scores(run.scores, scores)
        write_cost(run.cost, cost)
