"""The leaderboard from the two tables: pages, CSV and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dokunuki.benchmark.figures import write_heatmap, write_pareto
from dokunuki.benchmark.pages import defence_page, leaderboard_csv, leaderboard_page
from dokunuki.benchmark.standings import build_cells, build_standings, study_of
from dokunuki.evaluation.metrics import read_metrics
from dokunuki.evaluation.timings import read_timings
from dokunuki.storage.files import write_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def write_leaderboard(
    metrics: str | Path,
    timings: str | Path,
    study: Mapping[str, Any],
    *,
    markdown: str | Path,
    html: str | Path,
    csv: str | Path,
    pareto: tuple[str | Path, str | Path],
    heatmap: tuple[str | Path, str | Path],
    defences: Sequence[str | Path],
) -> None:
    """Write the leaderboard, its two figures (SVG and PNG) and a page for each defence.

    `study` holds the plain values of `Study`; `defences` are paths in the order of its defences.
    Raises `DokunukiError` for a table that is damaged or holds cells that the study does not ask
    for.
    """
    compared = study_of(study)
    cells = build_cells(read_metrics(metrics), read_timings(timings), compared)
    standings = build_standings(cells, compared)
    write_text(markdown, leaderboard_page(cells, standings, compared, "md"))
    write_text(html, leaderboard_page(cells, standings, compared, "html"))
    write_text(csv, leaderboard_csv(cells, standings))
    write_pareto(*pareto, standings, compared)
    write_heatmap(*heatmap, cells, standings, compared)
    for name, path in zip(compared.defences, defences, strict=True):
        write_text(path, defence_page(name, cells, standings, compared))
