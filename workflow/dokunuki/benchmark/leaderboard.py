"""The leaderboard from the two tables: pages, CSV and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dokunuki.benchmark.figures import write_heatmap, write_pareto
from dokunuki.benchmark.pages import (
    attacks_page,
    defence_page,
    details_page,
    leaderboard_csv,
    leaderboard_page,
    standings_csv,
)
from dokunuki.benchmark.standings import build_cells, build_standings, study_of
from dokunuki.evaluation.metrics import read_metrics
from dokunuki.evaluation.timings import read_timings
from dokunuki.storage.files import write_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from dokunuki.figures.pages import Format

FORMATS: tuple[Format, Format] = ("md", "html")
"""The formats of a page, in the order of its paths."""


def write_leaderboard(
    metrics: str | Path,
    timings: str | Path,
    study: Mapping[str, Any],
    *,
    leaderboard: tuple[str | Path, str | Path],
    attacks: tuple[str | Path, str | Path],
    details: tuple[str | Path, str | Path],
    csv: str | Path,
    order: str | Path,
    pareto: tuple[str | Path, str | Path],
    heatmap: tuple[str | Path, str | Path],
    defences: Sequence[str | Path],
) -> None:
    """Write the benchmark's pages, tables and figures, and a page for each defence.

    Pages (the leaderboard, the attacks without a defence, all details) are Markdown and HTML,
    figures SVG and PNG. `csv` gets a row for each cell, `order` one for each defence.
    `study` holds the plain values of `Study`; `defences` are paths in the order of its defences.
    Raises `DokunukiError` for a table that is damaged or holds cells that the study does not ask
    for.
    """
    compared = study_of(study)
    table = read_metrics(metrics)
    cells = build_cells(table, read_timings(timings), compared)
    standings = build_standings(cells, table, compared)
    pages = (
        (leaderboard, leaderboard_page),
        (attacks, attacks_page),
        (details, details_page),
    )
    for paths, page in pages:
        for path, form in zip(paths, FORMATS, strict=True):
            write_text(path, page(cells, standings, compared, form))
    write_text(csv, leaderboard_csv(cells, standings))
    write_text(order, standings_csv(standings))
    write_pareto(*pareto, standings, compared)
    write_heatmap(*heatmap, cells, standings, compared)
    for name, path in zip(compared.defences, defences, strict=True):
        write_text(path, defence_page(name, cells, standings, compared))
