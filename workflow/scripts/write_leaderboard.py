"""Write the leaderboard, its two figures and the pages of the defences."""

from dokunuki.benchmark.leaderboard import write_leaderboard
from dokunuki.job import logged

with logged(snakemake.log[0]):
    write_leaderboard(
        snakemake.input.metrics,
        snakemake.input.timings,
        snakemake.params.study,
        markdown=snakemake.output.markdown,
        html=snakemake.output.html,
        csv=snakemake.output.csv,
        pareto=(snakemake.output.figures[0], snakemake.output.png[0]),
        heatmap=(snakemake.output.figures[1], snakemake.output.png[1]),
        defences=snakemake.output.defences,
    )
