"""Train the attacker's model of the clean training rows that it knows."""

from dokunuki.corpus.vectors import read_vectors
from dokunuki.job import logged
from dokunuki.surrogate.training import train_surrogate

with logged(snakemake.log[0]):
    surrogate = train_surrogate(
        read_vectors(snakemake.input.vectors),
        snakemake.params.spec,
        share=snakemake.params.share,
        seed=snakemake.params.seed,
        device=snakemake.resources.device,
        threads=snakemake.params.threads,
        precision=snakemake.params.precision,
    )
    surrogate.save(snakemake.output.detector)
