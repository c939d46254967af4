"""Write the settings that came nearest to the paper's clean accuracies on the first seed."""

from dokunuki.job import logged
from dokunuki.search.choice import write_shortlist

with logged(snakemake.log[0]):
    write_shortlist(
        snakemake.output.shortlist,
        snakemake.wildcards.kind,
        snakemake.input.results,
        snakemake.params.size,
    )
