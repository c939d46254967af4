"""Train a defence and classifier on a run's contaminated rows with several seeds, and score."""

from dokunuki.job import logged
from dokunuki.victims.batches.victims import VictimRun, train_victim_seeds
from dokunuki.victims.compute import Compute

given, made = snakemake.input, snakemake.output

with logged(snakemake.log[0]):
    train_victim_seeds(
        map(
            VictimRun,
            snakemake.params.seed,
            snakemake.params.poison_seed,
            given.vectors,
            given.poison,
            given.trigger,
            given.unpoisoned,
            made.scores,
            made.cost,
        ),
        snakemake.params.spec,
        snakemake.params.cell,
        given.autoencoder,
        given.row_choice,
        Compute(snakemake.resources.device, snakemake.params.threads, snakemake.params.precision),
    )
