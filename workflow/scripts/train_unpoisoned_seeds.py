"""Train a defence and classifier on the unpoisoned rows with several seeds, and score."""

from dokunuki.job import logged
from dokunuki.victims.batches.unpoisoned import UnpoisonedRun, train_unpoisoned_seeds
from dokunuki.victims.compute import Compute

given, made = snakemake.input, snakemake.output

with logged(snakemake.log[0]):
    train_unpoisoned_seeds(
        map(
            UnpoisonedRun,
            snakemake.params.seed,
            given.vectors,
            made.detector,
            made.scores,
            made.cost,
        ),
        snakemake.params.spec,
        given.autoencoder,
        given.row_choice,
        Compute(snakemake.resources.device, snakemake.params.threads, snakemake.params.precision),
    )
