"""Write the benchmark's pages, tables and figures."""

from dokunuki.benchmark.leaderboard import write_leaderboard
from dokunuki.job import logged

markdown, html = snakemake.output.markdown, snakemake.output.html

with logged(snakemake.log[0]):
    write_leaderboard(
        snakemake.input.metrics,
        snakemake.input.timings,
        snakemake.params.study,
        attacks=(markdown[0], html[0]),
        leaderboard=(markdown[1], html[1]),
        details=(markdown[2], html[2]),
        csv=snakemake.output.csv,
        order=snakemake.output.order,
        pareto=(snakemake.output.figures[0], snakemake.output.png[0]),
        heatmap=(snakemake.output.figures[1], snakemake.output.png[1]),
        defences=snakemake.output.defences,
    )
