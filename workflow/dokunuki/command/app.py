"""The subcommands together, and how each of them ends.

Exit status as linters have it: 0 is nothing found, 1 something found, 2 could not be done. An error
that the user can mend is one message on standard error. Only a bug of ours shows a traceback; it
ends with 2 too.
"""

import logging
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from dokunuki.command.audit import audit
from dokunuki.command.export import export
from dokunuki.command.extract import extract
from dokunuki.command.score import score
from dokunuki.command.study import StudyCommand, study
from dokunuki.command.where import workflow
from dokunuki.errors import DokunukiError
from dokunuki.progress import logger

COULD_NOT_BE_DONE = 2


class Commands(TyperGroup):
    """Subcommands whose errors are messages, and never end with the status of a finding."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401, D102 - of typer's own copy of click
        try:
            with _told():
                return super().invoke(ctx)
        except (typer.Exit, typer.Abort, typer.TyperException):
            raise
        except DokunukiError as error:
            typer.echo(f"error: {error}", err=True)
        except BrokenPipeError:
            # Whoever read our lines has gone; else Python would complain when it flushes them.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except Exception as error:
            if isinstance(error, OSError) and error.filename is not None:
                typer.echo(
                    f"error: {error.filename}: {error.strerror}; check this path and its "
                    "permissions",
                    err=True,
                )
            else:
                traceback.print_exc()
                typer.echo(
                    "error: this is a bug in dokunuki, not your mistake: please report it with "
                    "the traceback above",
                    err=True,
                )
        raise typer.Exit(COULD_NOT_BE_DONE)


@contextmanager
def _told() -> Iterator[None]:
    """Progress goes to standard error, so that results may go to standard output."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


app = typer.Typer(
    cls=Commands,
    name="dokunuki",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    # Plain text, which a pipe and a page show alike.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"dokunuki {version('dokunuki')}")
        raise typer.Exit


@app.callback()
def dokunuki(
    _: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Backdoors in malware detectors: what they do, and which defences remove them.

    Each command has its own help: dokunuki extract --help

    Exit status: 0 done and nothing found, 1 something found, 2 it could not be done.
    """


app.command("audit")(audit)
app.command("study", cls=StudyCommand)(study)
app.command("extract")(extract)
app.command("export")(export)
app.command("score")(score)
app.command("workflow")(workflow)


def main() -> None:
    """What the script `dokunuki` runs."""
    app(prog_name="dokunuki")
