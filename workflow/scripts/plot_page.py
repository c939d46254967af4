"""Draw an attack of one grid as a page of panels."""

from dokunuki.job import logged
from dokunuki.paper.panels import draw_page

with logged(snakemake.log[0]):
    draw_page(
        snakemake.input.metrics,
        dataset=snakemake.wildcards.dataset,
        corpus=snakemake.params.corpus,
        attack=snakemake.wildcards.attack,
        classifier=snakemake.wildcards.classifier,
        **snakemake.params.spec,
        page=(snakemake.output.svg, snakemake.output.png),
    )
