"""Draw what each defence does to each attack, on one dataset with one classifier."""

from dokunuki.figures.answer_plot import plot_answer
from dokunuki.job import logged

with logged(snakemake.log[0]):
    plot_answer(
        snakemake.input.metrics,
        dataset=snakemake.wildcards.dataset,
        classifier=snakemake.wildcards.classifier,
        **snakemake.params.spec,
        svg=snakemake.output.svg,
        png=snakemake.output.png,
    )
