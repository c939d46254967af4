"""Choose the rows that the samplers of a defence leave of a cell with several seeds."""

from dokunuki.job import logged
from dokunuki.victims.batches.cell_parts import CellPartRun, make_cell_part_seeds
from dokunuki.victims.compute import Compute
from dokunuki.victims.row_choices import choose_rows

given, made = snakemake.input, snakemake.output

with logged(snakemake.log[0]):
    make_cell_part_seeds(
        choose_rows,
        map(
            CellPartRun,
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
