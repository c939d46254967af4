"""Commands of the documents: each is accounted for in commands.yaml, and means what it should.

A command is given to bash in a folder where Snakemake, `dokunuki` and all other programs only note
what they were told. So make's recipes run as they are, and what they come to is looked at.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import typer
import yaml
from snakemake.cli import get_argument_parser, parse_config
from snakemake.utils import update_config
from typer.testing import CliRunner

from checkout import REPOSITORY
from documents import commands, manuals, write_methods
from dokunuki.command import study as study_module
from dokunuki.command import workflow as workflow_module
from dokunuki.command.app import app
from dokunuki.study.configuration import catalogue_folders, check_files, load_config
from dokunuki.study.datasets import given_files, used_datasets
from dokunuki.study.provenance import offer_library

if TYPE_CHECKING:
    from collections.abc import Iterator

ENTRIES: dict[str, dict[str, Any]] = yaml.safe_load(
    Path(__file__).with_name("commands.yaml").read_text(encoding="utf-8")
)
DOCUMENTED = sorted(
    {command for page in manuals() for command in commands(page.read_text(encoding="utf-8"))}
)
PLANNED = [command for command, entry in ENTRIES.items() if "plan" in entry]
RULE = re.compile(r"^(?:local)?rule (\w+):|^use rule \w+ as (\w+) with:", flags=re.MULTILINE)

# Notes how it was called, an argument a line.
NOTING = """#!/bin/sh
{ echo "$0"; printf '%s\\n' "$@"; echo; } >> "$CALLS"
"""
PROGRAMS = [
    "snakemake",
    "dokunuki",
    "python",
    "pip",
    "pytest",
    "ruff",
    "mypy",
    "lint-imports",
    "snakefmt",
    "mkdocs",
]
# Make's marks of what is installed already.
INSTALLED = (".runtime", ".development", ".slurm", ".docs")
OWN_FILES = ("Makefile", "Snakefile", "config.yaml", "workflow", "profiles", "tests", "bench")


class Place(NamedTuple):
    """A folder in which the commands can be typed, and the programs that they call there."""

    folder: Path
    programs: Path

    def type(self, command: str) -> list[list[str]]:
        """Give a command to bash; how each program was called that it came to."""
        calls = self.folder / "calls"
        calls.write_text("")
        path = f"{self.programs}:{os.environ['PATH']}"
        # PYTHON: what make would make an environment with.
        environment = os.environ | {"PATH": path, "CALLS": str(calls), "PYTHON": "true"}
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        noted = [call.splitlines() for call in calls.read_text().split("\n\n") if call]
        return [[Path(program).name, *arguments] for program, *arguments in noted]


@pytest.fixture(scope="module")
def place(tmp_path_factory, tiny_release) -> Place:
    """The repository's files, and all that the documents call by a name of yours."""
    folder = tmp_path_factory.mktemp("place")
    for name in OWN_FILES:
        (folder / name).symlink_to(REPOSITORY / name)
    for name in ("pyproject.toml", "requirements.lock"):
        shutil.copy2(REPOSITORY / name, folder)
    for name in ("path/to/ember", "folder"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(tiny_release)
    # As many columns as the quick run's longest trigger has, and more.
    wide = {"name": "made up", "groups": {"numbers": {"width": 200, "kind": "count"}}}
    (folder / "layout.yaml").write_text(yaml.safe_dump(wide))
    (folder / "feed.parquet").touch()
    write_methods(folder / "my" / "methods", "README.md")
    write_methods(folder / "my" / "methods", "docs/methods.md")
    (folder / "my.yaml").write_text("grid: {seeds: [1]}\n")
    (folder / "sizes.yaml").write_text("grid: {trigger_sizes: [2, 4, 8], fixed_trigger_size: 8}\n")
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in PROGRAMS:
        (programs / name).write_text(NOTING)
        (programs / name).chmod(0o755)
    for name in INSTALLED:
        (folder / ".venv" / name).touch()
    return Place(folder, programs)


@pytest.fixture(autouse=True)
def _as_in_a_shell(place, monkeypatch) -> Iterator[None]:
    """In the folder, without GPUs, with SLURM's plugin; the library's path is put back."""
    monkeypatch.chdir(place.folder)
    monkeypatch.setattr(workflow_module, "count_gpus", lambda: 0)
    monkeypatch.setattr(workflow_module, "find_spec", lambda name: True)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))
    yield
    offer_library()


def checked_by_snakemake(arguments: list[str]) -> None:
    """What Snakemake and the workflow look at before any job."""
    told = get_argument_parser().parse_args(arguments)
    files = [Path("config.yaml"), *map(Path, told.configfile or [])]
    check_files(files)
    raw: dict[str, Any] = {}
    for file in files:
        update_config(raw, yaml.safe_load(file.read_text(encoding="utf-8")))
    update_config(raw, parse_config(told.config))
    offer_library(catalogue_folders(raw))
    config = load_config(raw, REPOSITORY / "workflow")
    for name in used_datasets(config):
        if config["datasets"][name]["kind"] != "simulated":
            assert given_files(config, name)
    rules = "".join(path.read_text() for path in (REPOSITORY / "workflow").glob("rules/*.smk"))
    names = {name for pair in RULE.findall(rules) for name in pair}
    assert set(told.targets or ()) <= names
    for profile in filter(None, [*(told.profile or ()), told.workflow_profile]):
        assert (Path(profile) / "config.yaml").is_file()


def checked_by_dokunuki(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command looks at before it does anything, and what it tells Snakemake."""
    name, *rest = arguments
    if name == "study":
        made: list[list[str]] = []
        monkeypatch.setattr(study_module, "run_snakemake", lambda told: made.append(told) or True)
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, done.output
        checked_by_snakemake(made[0])
    else:
        group = typer.main.get_command(app)
        assert group.commands[name].make_context(name, rest)  # raises where an option is wrong


@pytest.mark.parametrize("command", DOCUMENTED)
def test_every_command_is_accounted_for(command):
    assert command in ENTRIES, f"put it into tests/unit/commands.yaml: {command}"
    assert len(ENTRIES[command]) == 1


def test_no_entry_is_of_a_command_that_is_gone():
    assert set(ENTRIES) <= set(DOCUMENTED)


@pytest.mark.parametrize("command", DOCUMENTED)
def test_a_command_tells_programs_what_they_know(place, monkeypatch, command):
    if "ROWS=table" in command or "FEED=table" in command:
        command = command.replace("table", "feed.parquet") + " LAYOUT=layout.yaml"
    command = re.sub(r"EMBER=path$", "EMBER=path/to/ember", command)
    command = command.replace("EMBER=path ", "EMBER=path/to/ember ")
    calls = place.type(command)
    assert calls
    for program, *arguments in calls:
        if program == "snakemake" and arguments != ["--lint"]:
            checked_by_snakemake(arguments)
        elif program == "dokunuki":
            checked_by_dokunuki(arguments, monkeypatch)


@pytest.mark.workflow
@pytest.mark.parametrize("command", PLANNED)
def test_a_plan_is_made(place, command):
    snakemake = place.programs / "snakemake"
    snakemake.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m snakemake -n "$@"\n')
    environment = os.environ | {
        "PATH": f"{place.programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY / "workflow"),
    }
    try:
        done = subprocess.run(
            ["bash", "-c", command], env=environment, capture_output=True, text=True, check=False
        )
    finally:
        snakemake.write_text(NOTING)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = iter((done.stdout + done.stderr).splitlines())
    assert "Job stats:" in lines  # up to there, and the table behind it up to a blank line
    planned = {line.split()[0] for line in takewhile(str.strip, lines)}
    assert set(ENTRIES[command]["plan"]) <= planned


def test_a_make_that_a_test_starts_is_not_told_what_started_the_tests():
    told = {"ARGS": "--maxfail=1", "MAKEFLAGS": " -- ARGS=--maxfail=1", "PRESET": "smoke"}
    code = "import os, conftest; print(*os.environ)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY / "tests",
        env=os.environ | told,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "PATH" in done.stdout.split()
    assert not set(told) & set(done.stdout.split())


@pytest.mark.parametrize("command", [name for name, entry in ENTRIES.items() if "test" in entry])
def test_the_test_that_runs_it_is_there(command):
    path, _, name = ENTRIES[command]["test"].partition("::")
    assert re.search(rf"^def {name}\(", (REPOSITORY / path).read_text(), flags=re.MULTILINE)


@pytest.mark.parametrize("command", [name for name, entry in ENTRIES.items() if "ci" in entry])
def test_the_line_that_runs_it_is_there(command):
    lines = (REPOSITORY / ".ci" / "run").read_text().splitlines()
    assert ENTRIES[command]["ci"] in [line.strip() for line in lines]


def test_commands_are_found_wherever_a_page_has_them():
    page = """
```
make run      # the quick run
snakemake --cores all \\
    -- benchmark
```

```python
import dokunuki
```

| command | |
|---|---|
| `make test`, `make lint` | `make docs` |
| `results/` | files |

```text
my/methods/
```
"""
    assert commands(page) == [
        "make run",
        "snakemake --cores all -- benchmark",
        "make test",
        "make lint",
    ]
