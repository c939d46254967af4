"""`dokunuki extract`: programs to raw rows or feature vectors."""

import os
from pathlib import Path
from typing import Annotated

import typer


def extract(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", help="The folder of programs; folders in it are read too."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="The output: NAME.parquet for feature vectors, NAME.jsonl for raw rows.",
        ),
    ],
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            help="A table with columns path or sha256, and label (0 goodware, 1 malware). Programs "
            "that it does not name are unlabelled (-1).",
        ),
    ] = None,
    version: Annotated[int, typer.Option(min=1, max=2, help="EMBER's feature version.")] = 2,
    max_bytes: Annotated[
        int, typer.Option(min=1, help="A longer file is not read, but listed as an error.")
    ] = 104857600,
    max_seconds: Annotated[
        float, typer.Option(min=0.001, help="A file that takes longer is listed as an error.")
    ] = 60,
    cores: Annotated[
        int | None,
        typer.Option(min=1, help="How many programs are read at a time; one a core by default."),
    ] = None,
) -> None:
    """Read programs (PE files) and write their EMBER features.

    \b
      dokunuki extract samples --labels labels.csv --out feed.parquet
      dokunuki extract samples --out rows.jsonl --version 1

    Programs are only read, never run. The Parquet file has the columns sha256 and label, and one
    for each feature. A study can use it:

    \b
      dokunuki study --rows feed.parquet --version 2

    A bad file does not stop the run: NAME.programs.csv and NAME.errors.csv, beside the output,
    list what became of each file. The exit status is 2 if no row could be made at all.
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
