"""Draw the panels of one attack, each alone and together on a page."""

from dokunuki.figures.panels import draw_panels
from dokunuki.job import logged

with logged(snakemake.log[0]):
    draw_panels(
        snakemake.input.metrics,
        dataset=snakemake.wildcards.dataset,
        corpus=snakemake.params.corpus,
        attack=snakemake.wildcards.attack,
        classifier=snakemake.wildcards.classifier,
        **snakemake.params.spec,
        svg=snakemake.output.svg,
        png=snakemake.output.png,
        page=(snakemake.output.page_svg, snakemake.output.page_png),
    )
