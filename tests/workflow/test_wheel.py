"""The wheel, installed outside the repository, runs the study and the audit in an empty folder.

Offline: it is built with the setuptools that is here, and takes other packages from here too.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import sysconfig
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
import yaml

from checkout import REPOSITORY, TINY, announced
from dokunuki.evaluation.metrics import read_metrics

pytestmark = pytest.mark.workflow

QUIET = {"capture_output": True, "text": True, "timeout": 900}
TAG = "v9.8.7"
# In the wheel as they are in the repository.
SHIPPED = ("Snakefile", "config.yaml", "envs/*.yaml", "profiles/*/config.yaml", "workflow/*.yaml")
SHIPPED += tuple(
    f"workflow/{folder}" for folder in ("rules/*.smk", "scripts/*.py", "schemas/*", "presets/*")
)
SHIPPED += ("workflow/report/*", "workflow/catalogue/*/*.yaml")


def done(command, **options):
    ended = subprocess.run(command, check=False, **QUIET, **options)
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    return ended


def files_of(pattern):
    found = [path.relative_to(REPOSITORY) for path in REPOSITORY.glob(pattern)]
    return [path for path in found if REPOSITORY.joinpath(path).is_file()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy, since setuptools leaves things behind where it builds."""
    source = tmp_path_factory.mktemp("source")
    listed = done(["git", "ls-files", "-co", "--exclude-standard"], cwd=REPOSITORY).stdout
    for name in listed.splitlines():
        if not name.startswith(("docs/", "tests/", "bench/")) and (REPOSITORY / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((REPOSITORY / name).read_bytes())
    git = ["git", "-c", "user.name=A tester", "-c", "user.email=tester@example.org"]
    for step in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "All"], ["tag", TAG]):
        done([*git, *step], cwd=source)
    folder = tmp_path_factory.mktemp("wheel")
    # By way of the archive of sources, as python -m build does.
    archive = "from setuptools.build_meta import build_sdist; build_sdist('dist')"
    done([sys.executable, "-c", archive], cwd=source)
    (sources,) = (source / "dist").glob("*.tar.gz")
    build = ["-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index", "-w"]
    done([sys.executable, *build, str(folder), str(sources)])
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory) -> Path:
    """The commands of an environment with the wheel, which takes all other packages from ours."""
    folder = tmp_path_factory.mktemp("environment")
    done([sys.executable, "-m", "venv", "--without-pip", str(folder)])
    commands = folder / "bin"
    own = done(
        [commands / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    ).stdout.strip()
    # A folder that a .pth names comes last, and its own .pth files count for nothing: our editable
    # install is not seen.
    Path(own, "ours.pth").write_text(sysconfig.get_path("purelib"))
    pip = [sys.executable, "-m", "pip", "--python", str(commands / "python")]
    done([*pip, "install", "--no-deps", "--no-index", str(wheel)])
    return commands


def test_the_wheel_holds_what_the_workflow_is_made_of(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        for pattern in SHIPPED:
            files = files_of(pattern)
            assert files, pattern
            for path in files:
                content = archive.read(f"dokunuki/_workflow/{path.as_posix()}")
                assert content == (REPOSITORY / path).read_bytes()
    for package in ("dokunuki", "simember"):
        for path in files_of(f"workflow/{package}/**/*"):
            if path.suffix != ".pyc":
                assert path.relative_to("workflow").as_posix() in names
    assert "dokunuki/py.typed" in names
    top = {name.partition("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"dokunuki", "simember"}
    libraries = ("dokunuki/_workflow/workflow/dokunuki", "dokunuki/_workflow/workflow/simember")
    assert not [name for name in names if name.startswith(libraries)]


def test_the_metadata_tells_what_an_index_shows(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = message_from_bytes(archive.read(name))
    assert metadata["Version"] == TAG.removeprefix("v")
    assert metadata["License-Expression"] == "MIT"
    assert set(metadata.get_all("Provides-Extra")) == {"dev", "docs", "ember", "slurm"}
    for key in ("Author", "Description-Content-Type", "Keywords", "Summary"):
        assert metadata[key], key
    pythons = [line for line in metadata.get_all("Classifier") if "Python :: 3." in line]
    assert [line.rpartition(" ")[2] for line in pythons] == ["3.11", "3.12", "3.13"]
    assert len(metadata.get_payload()) > 1000


@pytest.fixture(scope="module")
def study(environment, tmp_path_factory):
    """A function that runs `dokunuki study` in an empty folder, with nothing of ours on a path."""
    folder = tmp_path_factory.mktemp("study")
    tiny = {
        **TINY,
        "datasets": {"simulated": {"rows": 400}},
        "grid": {
            **TINY["grid"],
            "datasets": ["simulated"],
            "attacks": ["independent"],
            "defences": ["none"],
            "trigger_sizes": [4],
            "poison_rates": [5],
        },
    }
    (folder / "tiny.yaml").write_text(yaml.safe_dump(tiny))
    outside = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run(*arguments):
        command = [environment / "dokunuki", "study", "--configfile", "tiny.yaml", *arguments]
        ended = subprocess.run(command, check=False, cwd=folder, env=outside, **QUIET)
        return ended, folder

    return run


def command(environment, folder, *arguments):
    outside = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return done([environment / "dokunuki", *arguments], cwd=folder, env=outside)


def test_the_installed_command_runs_the_study(study, environment):
    ended, folder = study("--cores", "2")
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    assert f"The report is at {folder / 'results' / 'report.html'}" in ended.stdout
    metrics = read_metrics(folder / "results" / "metrics.csv")
    assert set(metrics["status"]) == {"ok"}
    assert str(REPOSITORY) not in ended.stdout + ended.stderr
    assert {path.name for path in folder.iterdir()} == {".snakemake", "results", "tiny.yaml"}

    again, _ = study("-n")
    assert again.returncode == 0
    assert "Nothing to be done" in again.stdout + again.stderr

    detector = "results/simulated/seed-0/unpoisoned/none/embernn/detector"
    command(environment, folder, "export", detector, "--onnx", "detector.onnx")
    release = "results/simulated/release"
    scored = command(environment, folder, "score", "detector.onnx", release)
    assert len(scored.stdout.splitlines()) == 400


def test_snakemake_finds_the_installed_workflow_by_its_path(environment, tmp_path):
    snakefile = Path(command(environment, tmp_path, "workflow").stdout.strip())
    assert snakefile.is_relative_to(environment.parent)
    assert command(environment, tmp_path, "--version").stdout == "dokunuki 9.8.7\n"
    outside = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    snakemake = [environment / "python", "-m", "snakemake", "-s", snakefile, "-n", "--cores", "1"]
    planned = done(snakemake, cwd=tmp_path, env=outside)
    assert {"simulate_corpus", "write_report"} <= {
        job.rule for job in announced(planned.stdout + planned.stderr).values()
    }


def test_the_installed_command_shows_a_backdoor_found(environment, tmp_path):
    outside = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [environment / "dokunuki", "audit", "--demo", "--out", "demo", "--cores", "2"]
    ended = subprocess.run(command, check=False, cwd=tmp_path, env=outside, **QUIET)
    assert ended.returncode == 1, ended.stdout[-3000:] + ended.stderr[-3000:]
    assert f"The report is at {tmp_path / 'demo' / 'report.html'}" in ended.stdout
    assert str(REPOSITORY) not in ended.stdout + ended.stderr
    made = {path.name for path in (tmp_path / "demo").iterdir()}
    assert {"report.html", "verdict.json", "detector", "detector.onnx"} <= made


def test_digests_are_of_our_modules_alone(environment):
    code = (
        "from dokunuki.study.places import IS_INSTALLED, WORKFLOW\n"
        "from dokunuki.study.provenance import code_digests, offer_library\n"
        "import os\n"
        "offer_library()\n"
        "assert IS_INSTALLED and not os.environ.get('PYTHONPATH')\n"
        "made = code_digests(WORKFLOW / 'scripts' / 'simulate_corpus.py')\n"
        "print(sorted({name.replace('/', '.').split('.')[0] for name in made}))\n"
    )
    outside = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    told = done([environment / "python", "-c", code], env=outside).stdout
    assert ast.literal_eval(told) == ["corpus", "dokunuki", "simember", "simulate_corpus"]


def test_a_failed_study_ends_with_2_and_says_why(study):
    ended, _ = study("--config", "grid={seedz: [1]}")
    assert ended.returncode == 2
    assert "grid.seedz: unknown key; did you mean 'seeds'?" in ended.stderr


def test_a_checkout_runs_in_another_folder(tmp_path):
    (tmp_path / "config.yaml").write_text("some: {other: program's}\n")
    outside = {**os.environ, "PYTHONPATH": str(REPOSITORY / "workflow")}
    snakemake = [sys.executable, "-m", "snakemake", "-n", "--cores", "1"]
    there = done([*snakemake, "--snakefile", REPOSITORY / "Snakefile"], cwd=tmp_path, env=outside)
    rules = {job.rule for job in announced(there.stdout + there.stderr).values()}
    assert {"simulate_corpus", "collect_metrics", "write_report"} <= rules
    # The quick run trains three seeds a job.
    assert "train_victim_seeds_0_to_2" in rules
    assert [path.name for path in tmp_path.iterdir() if path.name != ".snakemake"] == [
        "config.yaml"
    ]
