"""Train a defence and classifier on the unpoisoned rows, and score."""

from dokunuki.corpus.vectors import read_vectors
from dokunuki.job import logged
from dokunuki.victims.compute import Compute
from dokunuki.victims.cost import write_cost
from dokunuki.victims.scores import write_scores
from dokunuki.victims.training import train_unpoisoned

with logged(snakemake.log[0]):
    scores, cost = train_unpoisoned(
        read_vectors(snakemake.input.vectors),
        snakemake.params.spec,
        snakemake.input.get("autoencoder") or None,
        seed=snakemake.params.seed,
        compute=Compute(
            snakemake.resources.device, snakemake.params.threads, snakemake.params.precision
        ),
        row_choice=snakemake.input.get("row_choice") or None,
        folder=snakemake.output.detector,
    )
    write_scores(snakemake.output.scores, scores)
    write_cost(snakemake.output.cost, cost)
