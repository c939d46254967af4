"""Train one autoencoder on the contaminated rows of a cell."""

from dokunuki.attacks.poisoning import read_poison
from dokunuki.corpus.vectors import read_vectors
from dokunuki.job import logged
from dokunuki.victims.autoencoders import train_autoencoder
from dokunuki.victims.compute import Compute
from dokunuki.victims.cost import write_cost

with logged(snakemake.log[0]):
    path = snakemake.input.get("poison")
    poison = read_poison(path, vectors=snakemake.input.vectors) if path else None
    cost = train_autoencoder(
        read_vectors(snakemake.input.vectors),
        poison.cell(**snakemake.params.cell) if poison else None,
        snakemake.params.spec,
        seed=snakemake.params.seed,
        compute=Compute(
            snakemake.resources.device, snakemake.params.threads, snakemake.params.precision
        ),
        path=snakemake.output.autoencoder,
    )
    write_cost(snakemake.output.cost, cost)
