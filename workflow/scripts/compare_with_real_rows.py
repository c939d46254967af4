"""Hold a simulated corpus against real rows: tables, plots, measures beside their bounds."""

from pathlib import Path

from dokunuki.job import logged
from dokunuki.realism.comparison import write_comparison

with logged(snakemake.log[0]):
    write_comparison(
        Path(snakemake.input.simulated[0]).parent,
        snakemake.params.spec["real_path"],
        store=snakemake.input.get("store") or None,
        file_types=snakemake.params.spec["file_types"],
        real_rows=snakemake.params.spec["real_rows"],
        version=snakemake.params.spec["version"],
        classifier=snakemake.params.spec["classifier"],
        device=snakemake.resources.device,
        threads=snakemake.params.threads,
        precision=snakemake.params.precision,
        tables=dict(snakemake.output.items()),
        svg=snakemake.output.svg,
        png=snakemake.output.png,
        report=snakemake.output.report,
    )
