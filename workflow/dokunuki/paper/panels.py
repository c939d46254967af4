"""An attack of one grid as a page of panels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dokunuki.evaluation.metrics import read_metrics
from dokunuki.evaluation.summary import summarise
from dokunuki.figures.panels import View, write_page

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def draw_page(
    metrics: str | Path,
    *,
    dataset: str,
    corpus: str,
    attack: str,
    classifier: str,
    titles: Mapping[str, Mapping[str, str]],
    defences: Sequence[str],
    fixed_trigger_size: int,
    fixed_poison_rate: float,
    page: tuple[str | Path, str | Path],
) -> None:
    """Draw the page (SVG and PNG) from the metrics table; arguments as of `figures.draw_panels`.

    Raises DataFileError for a damaged table, `DokunukiError` for one that lacks a sweep.
    """
    view = View.titled(titles, defences, dataset, corpus, attack, classifier)
    summary = summarise(read_metrics(metrics))
    write_page(*page, summary, view, fixed_poison_rate, fixed_trigger_size)
