"""Let Snakemake write its report from the files of this run."""

from dokunuki.figures.report import write_report
from dokunuki.job import logged

with logged(snakemake.log[0]):
    write_report(
        snakemake.output.report,
        snakefile=snakemake.params.snakefile,
        stylesheet=snakemake.input.stylesheet,
        metrics=snakemake.input.metrics,
        timings=snakemake.input.timings,
        files=[*snakemake.input.figures, *snakemake.input.tables],
        log=snakemake.log[0],
    )
