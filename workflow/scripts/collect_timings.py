"""Gather what every cell cost."""

from dokunuki.evaluation.timings import build_timings, write_timings
from dokunuki.job import logged
from dokunuki.study.keys import cell_key

with logged(snakemake.log[0]):
    cells = [(cell_key(cell), cell["cost"]) for cell in snakemake.params.cells]
    write_timings(snakemake.output.timings, build_timings(cells))
