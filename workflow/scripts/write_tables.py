"""Write the report's pages: the summary, the triggers, the configuration, the environment."""

from dokunuki.figures.tables import write_tables
from dokunuki.job import logged

with logged(snakemake.log[0]):
    write_tables(
        snakemake.input.metrics,
        snakemake.input.triggers,
        summary=snakemake.output.summary,
        triggers_html=snakemake.output.triggers,
        config_html=snakemake.output.config,
        config_yaml=snakemake.output.config_yaml,
        environment_html=snakemake.output.environment,
        config=snakemake.params.config,
        titles=snakemake.params.titles,
    )
