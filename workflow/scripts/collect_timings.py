"""Gather what every cell cost."""

from dokunuki.evaluation.cells import cell_key
from dokunuki.evaluation.timings import build_timings, write_timings
from dokunuki.job import logged

with logged(snakemake.log[0]):
    keys = [cell_key(key) for key in snakemake.params.cells]
    cells = zip(keys, snakemake.input.timings, strict=True)
    write_timings(snakemake.output.timings, build_timings(cells))
