"""Write the leaderboard, its two figures and the pages of the defences."""

from pathlib import Path

from dokunuki.benchmark.figures import write_heatmap, write_pareto
from dokunuki.benchmark.pages import (
    defence_blocks,
    html,
    leaderboard_blocks,
    leaderboard_csv,
    markdown,
)
from dokunuki.benchmark.standings import build_cells, build_standings, study_of
from dokunuki.evaluation.metrics import read_metrics
from dokunuki.evaluation.timings import read_timings
from dokunuki.job import logged
from dokunuki.storage.files import atomic_write


def write_text(path: str, text: str) -> None:
    """Write a page, all or nothing."""
    with atomic_write(path) as temporary:
        Path(temporary).write_text(text, encoding="utf-8", newline="")


with logged(snakemake.log[0]):
    study = study_of(snakemake.params.study)
    cells = build_cells(
        read_metrics(snakemake.input.metrics), read_timings(snakemake.input.timings), study
    )
    standings = build_standings(cells, study)
    blocks = leaderboard_blocks(cells, standings, study)
    write_text(snakemake.output.markdown, markdown("Leaderboard", blocks))
    write_text(snakemake.output.html, html("Leaderboard", blocks))
    write_text(snakemake.output.csv, leaderboard_csv(cells, standings))
    (pareto, heatmap), (pareto_png, heatmap_png) = snakemake.output.figures, snakemake.output.png
    write_pareto(pareto, pareto_png, standings, study)
    write_heatmap(heatmap, heatmap_png, cells, standings, study)
    for name, path in zip(study.defences, snakemake.output.defences, strict=True):
        page = defence_blocks(name, cells, standings, study)
        write_text(path, markdown(study.defences[name].label, page))
