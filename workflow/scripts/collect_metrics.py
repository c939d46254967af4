"""Measure every cell from its scores and write the one tidy table."""

from dokunuki.evaluation.metrics import CellFiles, build_metrics, write_metrics
from dokunuki.job import logged
from dokunuki.study.keys import cell_key

with logged(snakemake.log[0]):
    cells = [
        (cell_key(cell), CellFiles(cell["scores"], cell["evasion"]))
        for cell in snakemake.params.cells
    ]
    write_metrics(snakemake.output.metrics, build_metrics(cells))
