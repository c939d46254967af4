"""Write the page of the paper and its table."""

from dokunuki.job import logged
from dokunuki.paper.page import write_paper

with logged(snakemake.log[0]):
    write_paper(
        snakemake.input.metrics,
        snakemake.params.spec,
        snakemake.input.figures,
        html=snakemake.output.html,
        csv=snakemake.output.csv,
    )
