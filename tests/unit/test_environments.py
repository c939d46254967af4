"""The lock file and the conda environments say the same, and hold what the package declares."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
CONDA_NAMES = {"py-lief": "lief", "pytorch": "torch", "snakemake-minimal": "snakemake"}


def locked():
    lines = (REPOSITORY / "requirements.lock").read_text().splitlines()
    pairs = [line.split("==") for line in lines if "==" in line]
    return {name.lower().replace("_", "-"): version for name, version in pairs}


@pytest.mark.parametrize("path", sorted((REPOSITORY / "envs").glob("*.yaml")), ids=lambda p: p.stem)
def test_conda_environments_carry_the_locked_versions(path):
    versions = locked()
    for dependency in yaml.safe_load(path.read_text())["dependencies"]:
        name, version = dependency.split("=")
        if name != "python":
            assert versions[CONDA_NAMES.get(name, name)] == version, dependency


def test_every_declared_dependency_is_locked():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    declared = [*project["dependencies"], *(line for extra in extras.values() for line in extra)]
    names = {re.match(r"[\w.-]+", line)[0].lower() for line in declared}
    assert names <= locked().keys()


def test_every_package_of_the_runtime_is_in_some_environment():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    declared = {re.match(r"[\w.-]+", line)[0].lower() for line in project["dependencies"]}
    named = {
        dependency.split("=")[0]
        for path in (REPOSITORY / "envs").glob("*.yaml")
        for dependency in yaml.safe_load(path.read_text())["dependencies"]
    }
    assert declared <= {CONDA_NAMES.get(name, name) for name in named}


def test_every_rule_names_an_environment_that_exists():
    for file in (REPOSITORY / "workflow" / "rules").glob("*.smk"):
        for name in re.findall(r"envs/([\w-]+\.yaml)", file.read_text()):
            assert (REPOSITORY / "envs" / name).is_file(), f"{file.name}: {name}"


def test_no_lock_line_names_a_local_build():
    assert "+" not in "".join(locked().values())


def test_the_image_is_built_from_the_lock():
    text = (REPOSITORY / "envs" / "Dockerfile").read_text()
    base = re.search(r"^FROM python:([\d.]+)-", text, re.MULTILINE)[1]
    training = yaml.safe_load((REPOSITORY / "envs" / "training.yaml").read_text())
    assert f"python={base}" in training["dependencies"]
    copied = re.search(r"^COPY (.*) /", text, re.MULTILINE)[1].split()
    assert all((REPOSITORY / name).is_file() for name in copied)
    allowed = (REPOSITORY / ".dockerignore").read_text().split()
    assert allowed == ["*", *(f"!{name}" for name in copied)]
    assert re.search(r"pip install .*-c \S+/requirements\.lock", text)
