"""What Snakemake is told, of options and of the workflow's own files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from snakemake.cli import parse_config
from snakemake.utils import update_config
from typer.testing import CliRunner

from checkout import REPOSITORY
from dokunuki.command import study as study_module
from dokunuki.command import workflow
from dokunuki.command.app import app
from dokunuki.command.study import dataset_config, split_arguments
from dokunuki.command.workflow import (
    count_gpus,
    preset_file,
    run_snakemake,
    snakemake_arguments,
)
from dokunuki.errors import ConfigError
from dokunuki.study.configuration import load_config


@pytest.fixture(autouse=True)
def no_gpus(monkeypatch):
    monkeypatch.setattr(workflow, "count_gpus", lambda: 0)


@pytest.fixture
def told(monkeypatch, tmp_path):
    """A function that runs `dokunuki study` and gives what Snakemake would have been told."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, succeeds=True):
        given = []
        monkeypatch.setattr(
            study_module, "run_snakemake", lambda made: given.append(made) or succeeds
        )
        done = CliRunner().invoke(app, ["study", *arguments])
        return done, given[0] if given else None

    return run


def after(made, option):
    """What stands behind an option up to the next one."""
    rest = made[made.index(option) + 1 :]
    ends = [place for place, argument in enumerate(rest) if argument.startswith("--")]
    return rest[: ends[0]] if ends else rest


def loaded(config):
    """The configuration with keys of `--config`, as Snakemake and we read them."""
    raw = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
    update_config(raw, parse_config(config))
    return load_config(raw, REPOSITORY / "workflow")


def test_the_quick_run_needs_no_option(told):
    done, made = told()
    assert done.exit_code == 0
    assert after(made, "--snakefile") == [str(REPOSITORY / "Snakefile")]
    assert after(made, "--workflow-profile") == [str(REPOSITORY / "profiles" / "default")]
    assert after(made, "--cores") == ["all"]
    assert "--configfile" not in made
    assert "--config" not in made
    assert after(made, "--quiet") == ["rules", "host"]


def test_a_run_that_failed_ends_with_2(told):
    done, _ = told(succeeds=False)
    assert done.exit_code == 2


def test_a_report_is_named_where_it_is(told, tmp_path):
    assert told()[0].stdout == ""
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "report.html").touch()
    assert str(tmp_path / "results" / "report.html") in told()[0].stdout
    assert told("-n")[0].stdout == ""
    assert told("--", "metrics")[0].stdout == ""


def test_presets_come_before_the_users_own_files(told, tmp_path):
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).touch()
    own = ["--configfile", "a.yaml", "b.yaml"]
    _, made = told("--preset", "benchmark", *own, "--preset", "smoke", "--cores", "2")
    presets = [
        str(REPOSITORY / "workflow" / "presets" / name) for name in ("benchmark.yaml", "smoke.yaml")
    ]
    assert after(made, "--configfile") == [*presets, "a.yaml", "b.yaml"]
    assert made.count("--configfile") == 1
    assert after(made, "--cores") == ["2"]


def test_all_else_goes_to_snakemake(told):
    _, made = told("-n", "--forcerun", "train_victim", "--cores", "2", "--", "metrics", "--odd")
    assert made[made.index("-n") :] == [
        "-n",
        "--forcerun",
        "train_victim",
        "--",
        "metrics",
        "--odd",
    ]
    assert "--quiet" not in made


def test_every_preset_is_found_and_a_misspelt_one_is_told(told):
    for path in (REPOSITORY / "workflow" / "presets").glob("*.yaml"):
        assert Path(preset_file(path.stem)) == path
    done, made = told("--preset", "smok")
    assert (done.exit_code, made) == (2, None)
    assert "did you mean 'smoke'?" in done.stderr


def test_a_missing_overlay_is_told_before_snakemake_starts(told):
    done, made = told("--configfile", "mine.yaml")
    assert (done.exit_code, made) == (2, None)
    assert done.stderr == "error: --configfile mine.yaml: no such file; check the path\n"


def test_rows_are_chosen_as_the_configuration_says(told, tmp_path):
    _, made = told("--ember", "a folder", "--version", "2", "--config", "grid={seeds: [7]}")
    config = loaded(after(made, "--config")[:2])
    assert config["datasets"]["ember"]["path"] == "a folder"
    assert config["datasets"]["ember"]["version"] == 2
    assert config["grid"]["datasets"] == ["ember"]
    assert made[-1] == "grid={seeds: [7]}"
    # All in one: Snakemake takes the last --config alone, and puts its keys together.
    assert parse_config(after(made, "--config"))["grid"] == {"datasets": ["ember"], "seeds": ["7"]}


def test_own_rows_have_their_columns(told):
    table = "feed, of: {mine}.parquet"
    _, made = told("--rows", table, "--label", "is bad", "--id", "sha256", "--layout", "l.yaml")
    read = parse_config(after(made, "--config"))
    assert read["grid"] == {"datasets": ["rows"]}
    assert read["datasets"]["rows"] == {
        "kind": "rows",
        "path": table,
        "title": "Own rows",
        "layout": "l.yaml",
        "label": "is bad",
        "id": "sha256",
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--ember", "a", "--rows", "b"], "leave one of them out"),
        (["--label", "y"], "--label: goes with --rows"),
        (["--ember", "a", "--layout", "l.yaml"], "--layout: goes with --rows"),
        (["--version", "2"], "neither is given"),
    ],
)
def test_options_that_do_not_go_together_are_refused(told, arguments, message):
    done, made = told(*arguments)
    assert (done.exit_code, made) == (2, None)
    assert message in done.stderr


def test_no_rows_are_chosen_by_themselves():
    assert dataset_config(None, None, None, None, None, None) == []


def test_arguments_that_snakemake_has_twice_are_put_together(tmp_path):
    first, second = (str(tmp_path / name) for name in ("a.yaml", "b.yaml"))
    Path(first).touch()
    Path(second).touch()
    files, keys, others = split_arguments(
        ["-n", f"--configfile={first}", "-C", "a=1", "--config", "b=2", "--configfiles", second]
    )
    assert (files, keys, others) == ([first, second], ["a=1", "b=2"], ["-n"])
    with pytest.raises(ConfigError, match="expected at least one argument"):
        split_arguments(["--configfile"])


def test_the_slurm_profile_is_the_workflows_own(monkeypatch):
    monkeypatch.setattr(workflow, "find_spec", lambda name: True)
    made = snakemake_arguments(profile="slurm")
    assert after(made, "--profile") == [str(REPOSITORY / "profiles" / "default")]
    assert after(made, "--workflow-profile") == [str(REPOSITORY / "profiles" / "slurm")]
    # The profile says how many cores a job has.
    assert "--cores" not in made
    monkeypatch.setattr(workflow, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'dokunuki\[slurm\]'"):
        snakemake_arguments(profile="slurm")


def test_another_profile_is_the_users():
    made = snakemake_arguments(profile="mine", cores="3")
    assert after(made, "--profile") == ["mine"]
    assert after(made, "--cores") == ["3"]
    own = snakemake_arguments(["--workflow-profile", "none"])
    assert own.count("--workflow-profile") == 1


def test_no_more_training_jobs_than_gpus(monkeypatch):
    monkeypatch.setattr(workflow, "count_gpus", lambda: 2)
    assert after(snakemake_arguments(), "--resources") == ["gpu=2"]
    own = snakemake_arguments(["--resources", "gpu=1"])
    assert after(own, "--resources") == ["gpu=1"]
    assert own.count("--resources") == 1


def test_gpus_are_those_that_the_driver_lists(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert count_gpus() == 0
    driver = tmp_path / "nvidia-smi"
    driver.write_text("#!/bin/sh\necho 'GPU 0: one'\necho '  MIG 1g'\necho 'GPU 1: two'\n")
    driver.chmod(0o755)
    assert count_gpus() == 2
    driver.write_text("#!/bin/sh\nexit 9\n")
    assert count_gpus() == 0


@pytest.mark.parametrize(
    "arguments", [["--use-conda"], ["--sdm", "conda"], ["--software-deployment-method=conda"]]
)
def test_conda_is_refused_where_it_could_not_work(monkeypatch, arguments):
    snakemake_arguments(arguments)
    monkeypatch.setattr(workflow, "IS_INSTALLED", True)
    with pytest.raises(ConfigError, match="checkout"):
        snakemake_arguments(arguments)


def test_snakemake_runs_here_and_says_how_it_went(monkeypatch, tmp_path, capfd):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Snakefile").write_text("rule all:\n    output: 'a'\n    shell: 'touch a'\n")
    assert run_snakemake(["--snakefile", "Snakefile", "--cores", "1", "--quiet", "all"])
    assert (tmp_path / "a").exists()
    assert not run_snakemake(["--snakefile", "Snakefile", "--cores", "none"])
    assert os.getcwd() == str(tmp_path)  # noqa: PTH109
