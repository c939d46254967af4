"""Choose the rows that the samplers of a defence leave of a cell with several seeds."""

from dokunuki.job import logged
from dokunuki.victims.batches.row_choices import RowChoiceRun, choose_rows_seeds
from dokunuki.victims.compute import Compute

given, made = snakemake.input, snakemake.output

with logged(snakemake.log[0]):
    choose_rows_seeds(
        map(
            RowChoiceRun,
            snakemake.params.seed,
            given.vectors,
            # The unpoisoned cell has none.
            given.get("poison") or [""] * len(given.vectors),
            made.choice,
            made.cost,
        ),
        snakemake.params.spec,
        snakemake.params.cell,
        Compute(snakemake.resources.device, snakemake.params.threads, snakemake.params.precision),
    )
