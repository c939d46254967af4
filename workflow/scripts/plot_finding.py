"""Draw what a further grid was made to find out."""

from dokunuki.job import logged
from dokunuki.paper.findings import write_finding

with logged(snakemake.log[0]):
    write_finding(
        snakemake.wildcards.finding,
        snakemake.input.metrics,
        snakemake.params.spec,
        svg=snakemake.output.svg,
        png=snakemake.output.png,
    )
