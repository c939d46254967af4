"""Gather what every run cost."""

from dokunuki.evaluation.timings import build_timings, write_timings
from dokunuki.job import logged

with logged(snakemake.log[0]):
    write_timings(snakemake.output.timings, build_timings(snakemake.params.runs))
