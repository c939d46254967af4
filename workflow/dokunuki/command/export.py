"""`dokunuki export`: a detector as one file that needs no torch."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import numpy as np

    from dokunuki.corpus.layout import FeatureLayout

CHECKED_ROWS = 10_000
"""How many rows of `--rows` are scored by both sides at most."""


def export(
    detector: Annotated[
        Path,
        typer.Argument(metavar="DETECTOR", help="The folder of a detector, with detector.json."),
    ],
    onnx: Annotated[Path, typer.Option(metavar="FILE", help="The file to be written.")],
    rows: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Rows to check the file on, besides random ones: both must score them alike. "
            f"Any input of dokunuki score; its first {CHECKED_ROWS} rows are used.",
        ),
    ] = None,
    layout: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The layout of the columns, if the detector does not name it."
        ),
    ] = None,
    may_differ: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="The share of rows whose scores may differ by more than 1e-5. Some differ where "
            "trees follow a network: a value at a split's threshold may fall on either side.",
        ),
    ] = 0.0,
    trust: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CLASS",
            help="A class of your own in the detector that may be loaded, as a dotted path.",
        ),
    ] = None,
) -> None:
    """Write a detector as ONNX, from raw features to the probability.

    Standardising, defence and classifier become one graph. Its scores are compared with the
    original's: if a row's differ by more than 1e-5, no file is written and the exit status is 2.

    \b
      dokunuki export detector --onnx detector.onnx
      dokunuki export detector --onnx detector.onnx --rows feed.parquet

    A study keeps the detectors that it trained without poison, as
    results/DATASET/seed-N/unpoisoned/DEFENCE/CLASSIFIER/detector
    """  # noqa: D301 - click's mark of lines to be left as they are
    from dokunuki.corpus.own_layout import read_layout
    from dokunuki.deployment.exporting import export_detector
    from dokunuki.deployment.model import Folder, load_model
    from dokunuki.errors import ConfigError

    given = None if layout is None else read_layout(layout)
    model = load_model(detector, layout=given, trusted=trust or ())
    if not isinstance(model, Folder):
        raise ConfigError(
            f"{detector}: is already an ONNX file; name the folder of a detector instead"
        )
    sample = None if rows is None else _first_rows(rows, model.layout)
    check = export_detector(
        model.detector, onnx, sample, layout=model.layout, may_differ=may_differ
    )
    typer.echo(
        f"{onnx}: rows scored alike: {check.rows - check.differing} of {check.rows}; "
        f"largest difference: {check.worst:.2g}"
    )


def _first_rows(path: Path, layout: "FeatureLayout") -> "np.ndarray":
    """The first sound rows of a path, float32 (n, width); raises CorpusError where none is."""
    import numpy as np

    from dokunuki.deployment.rows import sources
    from dokunuki.errors import CorpusError

    blocks: list[np.ndarray] = []
    for source in sources(path, layout):
        for batch in source.batches():
            blocks.append(np.delete(batch.X, list(batch.errors), axis=0))
            if sum(map(len, blocks)) >= CHECKED_ROWS:
                return np.concatenate(blocks)[:CHECKED_ROWS]
    if not sum(map(len, blocks)):
        raise CorpusError(
            f"{path}: holds no row that could be scored; `dokunuki score` says of each row why"
        )
    return np.concatenate(blocks)
