"""Measure every cell from its scores and write the one tidy table."""

from dokunuki.evaluation.cells import cell_key
from dokunuki.evaluation.metrics import build_metrics, write_metrics
from dokunuki.job import logged

with logged(snakemake.log[0]):
    keys = [cell_key(key) for key in snakemake.params.cells]
    cells = zip(keys, snakemake.input.scores, strict=True)
    write_metrics(snakemake.output.metrics, build_metrics(cells))
