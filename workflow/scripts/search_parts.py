"""Try all combinations of settings on clean rows and write their validation losses."""

from dokunuki.corpus.vectors import read_vectors
from dokunuki.job import logged
from dokunuki.search.trials import search_settings, write_search

with logged(snakemake.log[0]):
    table = search_settings(
        read_vectors(snakemake.input.vectors),
        snakemake.wildcards.kind,
        snakemake.params.spec,
        device=snakemake.resources.device,
        threads=snakemake.params.threads,
        precision=snakemake.params.precision,
    )
    write_search(snakemake.output.table, table)
