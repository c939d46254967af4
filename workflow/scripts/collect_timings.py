"""Gather what every cell cost."""

from dokunuki.evaluation.cells import cell_key
from dokunuki.evaluation.timings import build_timings, write_timings
from dokunuki.job import logged

with logged(snakemake.log[0]):
    cells = [(cell_key(cell), cell["timing"]) for cell in snakemake.params.cells]
    write_timings(snakemake.output.timings, build_timings(cells))
