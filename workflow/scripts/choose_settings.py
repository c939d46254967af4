"""Write the table of all settings tried, those nearest to the paper's clean accuracies first."""

from dokunuki.job import logged
from dokunuki.search.choice import write_choice

with logged(snakemake.log[0]):
    write_choice(snakemake.output.table, snakemake.wildcards.kind, snakemake.input.results)
