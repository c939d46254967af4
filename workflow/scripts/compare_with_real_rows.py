"""Hold a simulated corpus against real rows: tables, plots, measures beside their bounds."""

from pathlib import Path

from dokunuki.corpus.layout import feature_layout
from dokunuki.figures.style import house_style, save_figure
from dokunuki.job import logged
from dokunuki.parts.building import build
from dokunuki.realism.figures import (
    plot_byte_means,
    plot_embedding,
    plot_marginals,
    realism_page,
)
from dokunuki.realism.measures import compare, embedding, read_labelled
from dokunuki.storage.files import atomic_write

with logged(snakemake.log[0]):
    spec = snakemake.params.spec
    layout = feature_layout(spec["version"])
    classifier = spec["classifier"]

    def network() -> object:
        """An untrained classifier as the workflow trains it."""
        return build(
            classifier["class"],
            classifier["params"],
            seed=0,
            device=snakemake.resources.device,
            threads=snakemake.params.threads,
            precision=snakemake.params.precision,
        )

    simulated = read_labelled(Path(snakemake.input.simulated[0]).parent, spec["version"])
    real = read_labelled(spec["real_path"], spec["version"], most=spec["real_rows"])
    tables = compare(simulated, real, layout, network, threads=snakemake.params.threads)
    for name, table in tables.items():
        with atomic_write(snakemake.output[name]) as temporary:
            table.to_csv(temporary, index=False, float_format="%.6g")
    figures = {
        "marginals": plot_marginals(simulated, real, layout),
        "bytes": plot_byte_means(simulated, real, layout),
        "embedding": plot_embedding(embedding(simulated, real, layout)),
    }
    pairs = zip(snakemake.output.plots[::2], snakemake.output.plots[1::2], strict=True)
    for (name, figure), (svg, png) in zip(figures.items(), pairs, strict=True):
        with house_style():
            save_figure(figure, svg, png, f"Simulated corpus and real rows: {name}")
    page = realism_page(tables, dict(zip(figures, snakemake.output.plots[::2], strict=True)))
    with atomic_write(snakemake.output.report) as temporary:
        Path(temporary).write_text(page, encoding="utf-8")
