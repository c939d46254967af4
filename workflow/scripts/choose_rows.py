"""Choose the rows that the samplers of a defence leave of a cell's contaminated rows."""

from dokunuki.attacks.poisoning import read_poison
from dokunuki.corpus.vectors import read_vectors
from dokunuki.job import logged
from dokunuki.victims.compute import Compute
from dokunuki.victims.cost import write_cost
from dokunuki.victims.row_choices import choose_rows

with logged(snakemake.log[0]):
    path = snakemake.input.get("poison")
    poison = read_poison(path, vectors=snakemake.input.vectors) if path else None
    cost = choose_rows(
        read_vectors(snakemake.input.vectors),
        poison.cell(**snakemake.params.cell) if poison else None,
        snakemake.params.spec,
        seed=snakemake.params.seed,
        compute=Compute(
            snakemake.resources.device, snakemake.params.threads, snakemake.params.precision
        ),
        path=snakemake.output.choice,
    )
    write_cost(snakemake.output.cost, cost)
