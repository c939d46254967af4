"""Measure every run from its scores and write the one tidy table."""

from dokunuki.evaluation.metrics import build_metrics, write_metrics
from dokunuki.job import logged

with logged(snakemake.log[0]):
    write_metrics(snakemake.output.metrics, build_metrics(snakemake.params.runs))
