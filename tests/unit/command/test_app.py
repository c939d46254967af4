"""The command as a whole: it starts at once, explains itself, and ends as linters do."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from dokunuki.command.app import Commands, app
from dokunuki.errors import CorpusError

SUBCOMMANDS = ["audit", "study", "extract", "export", "score", "workflow"]


def run(*arguments):
    return CliRunner().invoke(app, list(arguments), prog_name="dokunuki")


def ended_with(error):
    """How a subcommand ends that raises `error`."""
    failing = typer.Typer(cls=Commands, rich_markup_mode=None)

    @failing.callback()
    def group():
        pass

    @failing.command()
    def fail():
        raise error

    return CliRunner().invoke(failing, ["fail"])


def test_nothing_heavy_is_imported_for_help():
    heavy = ["torch", "pandas", "numpy", "sklearn", "pyarrow", "lief", "snakemake", "onnxruntime"]
    code = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from dokunuki.command.app import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        f"print([name for name in {heavy} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=600
    )
    assert done.stdout.strip() == "[]"


def test_help_lists_the_subcommands_and_none_besides():
    listed = re.findall(r"^  ([a-z]+)  ", run("--help").stdout.partition("Commands:")[2], re.M)
    assert sorted(listed) == sorted(SUBCOMMANDS)


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_help_teaches_with_examples_that_fit_a_terminal(name):
    shown = run(name, "--help").stdout
    assert len(re.findall(rf"^    .*dokunuki {name}[ )]", shown, re.M)) >= 2
    assert max(map(len, shown.splitlines())) <= 80


def test_the_version_is_told():
    assert re.fullmatch(
        r"dokunuki \d+\.\d+(\.\d+)?((rc|\.dev)\d+)?(\+\S+)?\n", run("--version").stdout
    )


def test_it_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "dokunuki.command", "--help"],
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )
    assert done.stdout.startswith("Usage: dokunuki ")


@pytest.mark.parametrize("arguments", [["nothing"], ["extract"], ["extract", "--cores", "many"]])
def test_wrong_usage_ends_with_2(arguments):
    done = run(*arguments)
    assert done.exit_code == 2
    assert "Error: " in done.stderr


def test_what_the_user_can_mend_is_one_line():
    done = ended_with(CorpusError("rows.csv:3: wrong"))
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "error: rows.csv:3: wrong\n"


def test_a_file_of_the_systems_error_is_named():
    done = ended_with(PermissionError(13, "Permission denied", "rows.csv"))
    assert done.exit_code == 2
    assert (
        done.stderr == "error: rows.csv: Permission denied; check this path and its permissions\n"
    )


def test_a_slip_of_ours_never_looks_like_a_finding():
    done = ended_with(ZeroDivisionError("0"))
    assert done.exit_code == 2
    assert "Traceback" in done.stderr
    assert "report it" in done.stderr


def test_a_subcommand_ends_as_it_says():
    assert ended_with(typer.Exit(1)).exit_code == 1
