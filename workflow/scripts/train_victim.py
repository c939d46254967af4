"""Train a defence and classifier on the contaminated rows of a run, and score."""

from dokunuki.attacks.poisoning import read_poison
from dokunuki.attacks.trigger import read_trigger
from dokunuki.corpus.vectors import read_vectors
from dokunuki.job import logged
from dokunuki.victims.compute import Compute
from dokunuki.victims.cost import write_cost
from dokunuki.victims.scores import read_scores, write_scores
from dokunuki.victims.training import train_victim

with logged(snakemake.log[0]):
    vectors = read_vectors(snakemake.input.vectors)
    scores, cost = train_victim(
        vectors,
        read_poison(snakemake.input.poison, vectors=snakemake.input.vectors).cell(
            **snakemake.params.cell
        ),
        read_trigger(snakemake.input.trigger, vectors.layout).prefix(snakemake.params.cell["size"]),
        snakemake.params.spec,
        snakemake.input.get("autoencoder") or None,
        seed=snakemake.params.seed,
        compute=Compute(
            snakemake.resources.device, snakemake.params.threads, snakemake.params.precision
        ),
        row_choice=snakemake.input.get("row_choice") or None,
        unpoisoned=read_scores(snakemake.input.unpoisoned),
        poison_seed=snakemake.params.poison_seed,
    )
    write_scores(snakemake.output.scores, scores)
    write_cost(snakemake.output.cost, cost)
