"""`dokunuki score`: rows or programs to probabilities, one line each."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TextIO

import typer


class Form(StrEnum):
    """How results are written."""

    jsonl = "jsonl"
    csv = "csv"


class FailOn(StrEnum):
    """What makes the exit status 1."""

    malware = "malware"


def score(
    detector: Annotated[
        Path,
        typer.Argument(
            metavar="DETECTOR", help="The file that dokunuki export wrote, or a detector's folder."
        ),
    ],
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH",
            help="Tables, raw rows (.jsonl), memory maps, programs, or folders of these.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The file to write; standard output by default."),
    ] = None,
    form: Annotated[
        Form | None,
        typer.Option("--format", help="By default csv if FILE ends in .csv, and jsonl otherwise."),
    ] = None,
    layout: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The layout of the columns, if the detector does not name it."
        ),
    ] = None,
    fail_on: Annotated[
        FailOn | None,
        typer.Option(help="Exit with status 1 if a row scores as malware (0.5 or more)."),
    ] = None,
    max_bytes: Annotated[
        int, typer.Option(min=1, help="A longer program is not read, but listed as an error.")
    ] = 67108864,
    max_seconds: Annotated[
        float, typer.Option(min=0.001, help="A program that takes longer is listed as an error.")
    ] = 30,
    cores: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="How many cores; all by default.")
    ] = None,
    trust: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CLASS",
            help="A class of your own in the detector that may be loaded, as a dotted path.",
        ),
    ] = None,
) -> None:
    """Score rows or programs: sha256, probability of malware, verdict.

    \b
      dokunuki score detector.onnx feed.parquet > scores.jsonl
      dokunuki score detector.onnx rows.jsonl.gz --format csv
      dokunuki score detector.onnx suspects/ --fail-on malware

    Each row gives one line, which is written at once, so a feed may have any length. A bad row or
    file gives a line with its error, and the others are scored. Programs are only read, never run.

    The exit status is 2 if no row at all could be scored.
    """  # noqa: D301 - click's mark of lines to be left as they are
    from dokunuki.corpus.own_layout import read_layout
    from dokunuki.deployment.model import load_model
    from dokunuki.deployment.rows import Limits
    from dokunuki.deployment.scoring import score_rows, write_scores

    workers = cores or os.cpu_count() or 1
    given = None if layout is None else read_layout(layout)
    model = load_model(detector, layout=given, threads=workers, trusted=trust or ())
    if form is None:
        form = Form.csv if out is not None and out.suffix == ".csv" else Form.jsonl
    scores = score_rows(model, *paths, limits=Limits(max_bytes, max_seconds, workers))
    with _opened(out) as stream:
        counted = write_scores(stream, scores, form.value, list(model.thresholds))
    typer.echo(
        f"scored: {counted.scored}; malware: {counted.malware}; errors: {counted.errors}", err=True
    )
    if fail_on is FailOn.malware and counted.malware:
        raise typer.Exit(1)


@contextmanager
def _opened(out: Path | None) -> Iterator[TextIO]:
    """Where results go: a file that is there when all are in it, or standard output."""
    from dokunuki.storage.files import atomic_write

    if out is None:
        stream = typer.get_text_stream("stdout", encoding="utf-8")
        yield stream
        stream.flush()
        return
    with (
        atomic_write(out) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as stream,
    ):
        yield stream
