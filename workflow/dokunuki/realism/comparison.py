"""A simulated corpus held against real rows: tables, plots, and both on one page."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dokunuki.corpus.layout import feature_layout
from dokunuki.figures.pages import Column, Table, render
from dokunuki.figures.style import house_style, save_figure
from dokunuki.parts.building import build
from dokunuki.realism.figures import plot_byte_means, plot_embedding, plot_marginals
from dokunuki.realism.measures import compare, embedding, read_labelled
from dokunuki.storage.files import atomic_write, write_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

_SECTIONS = {
    "measures": "The measures beside their bounds",
    "transfer": "ROC AUC of LightGBM across the two worlds, by columns",
    "difficulty": "Accuracy within the simulated corpus",
    "marginals": "Non-hashed columns, by class",
}
_CAPTIONS = {
    "embedding": "Two principal components of the ranks of all columns that are not hashed",
    "bytes": "Mean byte histogram and byte-entropy histogram",
    "marginals": "Cumulative distributions of the non-hashed columns",
}


def write_comparison(
    simulated: str | Path,
    real: str | Path,
    *,
    store: str | Path | None = None,
    file_types: Sequence[str] | None = None,
    real_rows: int | None,
    version: int,
    classifier: Mapping[str, Any],
    device: str,
    threads: int,
    precision: str,
    tables: Mapping[str, str | Path],
    svg: Sequence[str | Path],
    png: Sequence[str | Path],
    report: str | Path,
) -> None:
    """Compare two releases of EMBER feature version `version`, and write what was found.

    `classifier` is the network of the difficulty, its "class" and "params". Of the real rows at
    most `real_rows` are taken; `file_types` and `store` are those of `open_release`. `tables` are
    CSV paths by the names of `compare`; `svg` and `png` are three each: marginals, bytes,
    embedding. Raises CorpusError for a release that cannot be read.
    """
    layout = feature_layout(version)
    ours = read_labelled(simulated, version)
    theirs = read_labelled(real, version, real_rows, file_types, store)

    def network() -> Any:  # noqa: ANN401 - whatever class the configuration names
        return build(
            classifier["class"],
            classifier["params"],
            seed=0,
            device=device,
            threads=threads,
            precision=precision,
        )

    found = compare(ours, theirs, layout, network, threads=threads)
    for name, table in found.items():
        with atomic_write(tables[name]) as temporary:
            table.to_csv(temporary, index=False, float_format="%.6g")
    figures = {
        "marginals": plot_marginals(ours, theirs, layout),
        "bytes": plot_byte_means(ours, theirs, layout),
        "embedding": plot_embedding(embedding(ours, theirs, layout)),
    }
    for (name, figure), vector, raster in zip(figures.items(), svg, png, strict=True):
        with house_style():
            save_figure(figure, vector, raster, f"Simulated corpus and real rows: {name}")
    write_text(report, realism_page(found, dict(zip(figures, svg, strict=True))))


def realism_page(tables: Mapping[str, pd.DataFrame], plots: Mapping[str, str | Path]) -> str:
    """The tables of `dokunuki.realism.measures.compare` and the plots (SVG files) as one page."""
    return render(
        __package__,
        "realism.html",
        title="Simulated corpus and real rows",
        sections=[(title, _table(tables[name])) for name, title in _SECTIONS.items()],
        images=[
            (caption, base64.b64encode(Path(plots[name]).read_bytes()).decode())
            for name, caption in _CAPTIONS.items()
        ],
    )


def _table(table: pd.DataFrame) -> Table:
    columns = [_column(str(name), table[name].dtype.kind) for name in table.columns]
    return Table(columns, table.to_dict("records"))


def _column(name: str, kind: str) -> Column:
    if kind not in "fi":
        return Column(name, lambda row: row[name], "")
    return Column(name, lambda row: f"{row[name]:.4g}" if kind == "f" else row[name])
