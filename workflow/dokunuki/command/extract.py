"""`dokunuki extract`: programs to raw rows or feature vectors."""

import os
from pathlib import Path
from typing import Annotated

import typer


def extract(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="The programs, in this folder or below.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="NAME.parquet for feature vectors, NAME.jsonl for raw rows."
        ),
    ],
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            help="Columns path or sha256, and label (0 or 1, goodware or malware). Programs that "
            "it does not name are unlabelled (-1).",
        ),
    ] = None,
    version: Annotated[int, typer.Option(min=1, max=2, help="EMBER's feature version.")] = 2,
    max_bytes: Annotated[
        int, typer.Option(min=1, help="A longer file is not read, and told as an error.")
    ] = 104857600,
    max_seconds: Annotated[
        float, typer.Option(min=0.001, help="A file that takes longer is given up.")
    ] = 60,
    cores: Annotated[
        int | None, typer.Option(min=1, help="How many programs are read at a time.")
    ] = None,
) -> None:
    """Read programs (PE files) and write their EMBER features.

    \b
      dokunuki extract samples --labels labels.csv --out feed.parquet
      dokunuki extract samples --out rows.jsonl --version 1

    Programs are only read, never run. The Parquet file has sha256, label and one column a
    feature. It is a feed for the study:

    \b
      dokunuki study --rows feed.parquet --version 2

    One bad file is never the end: what became of each stands beside the output, in
    NAME.programs.csv and NAME.errors.csv. Exit status 2 if no row could be made at all.
    """  # noqa: D301 - click's mark of lines to be left as they are
    from dokunuki.corpus.extract.feed import write_feed

    feed = write_feed(
        out,
        folder,
        labels,
        version=version,
        max_bytes=max_bytes,
        max_seconds=max_seconds,
        workers=cores or os.cpu_count() or 1,
    )
    typer.echo(f"{out}: rows: {feed.rows}; files without a row: {feed.errors}")
