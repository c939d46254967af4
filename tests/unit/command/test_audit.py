"""`dokunuki audit`: what a feed is, who may audit where, and how it ends."""

from __future__ import annotations

import fcntl

import pytest
import yaml
from typer.testing import CliRunner

from dokunuki.audit.canaries.planned import LEVELS
from dokunuki.audit.settings import DETECTORS
from dokunuki.command import audit as module
from dokunuki.command.app import app
from dokunuki.command.feeds import feed_entry
from dokunuki.errors import ConfigError, CorpusError
from dokunuki.study.places import WORKFLOW


def run(*arguments):
    return CliRunner().invoke(app, ["audit", *map(str, arguments)], prog_name="dokunuki")


@pytest.fixture
def done(monkeypatch):
    """A function that sets the verdict of audits, and what Snakemake was told of each."""
    told = []

    def succeed(arguments):
        told.append(arguments)
        return True

    monkeypatch.setattr(module, "run_snakemake", succeed)

    def with_verdict(verdict):
        answer = {"verdict": verdict, "answer": f"The answer: {verdict}."}
        monkeypatch.setattr(module, "_verdict", lambda out: answer)
        return told

    return with_verdict


def config_of(arguments):
    keys = arguments[arguments.index("--config") + 1 : arguments.index("--")]
    return {key: yaml.safe_load(value) for key, value in (one.split("=", 1) for one in keys)}


@pytest.mark.parametrize(
    ("verdict", "fail_on", "status"),
    [
        ("proved", "proved", 1),
        ("suspicious", "proved", 0),
        ("nothing proved", "proved", 0),
        ("cannot tell", "proved", 2),
        ("proved", "suspicious", 1),
        ("suspicious", "suspicious", 1),
        ("nothing proved", "suspicious", 0),
    ],
)
def test_the_exit_status_tells_the_verdict(done, tmp_path, verdict, fail_on, status):
    done(verdict)
    (tmp_path / "feed.csv").touch()
    options = ["--out", tmp_path / "out", "--fail-on", fail_on]
    ended = run(tmp_path / "feed.csv", *options)
    assert ended.exit_code == status, ended.output
    assert f"The answer: {verdict}." in ended.stdout


def test_snakemake_is_told_all_by_absolute_paths(done, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "feed.csv").touch()
    told = done("nothing proved")
    options = ["--label", "verdict", "--id", "name", "--layout", "layout.yaml", "--seed", "4"]
    options += ["--canaries", "quick"]
    assert run("feed.csv", *options, "--out", "out").exit_code == 0
    (arguments,) = told
    assert arguments[arguments.index("--directory") + 1] == str(tmp_path / "out")
    assert arguments[-2:] == ["--", "audit"]
    config = config_of(arguments)
    assert config["datasets"]["feed"] == {
        "kind": "rows",
        "path": str(tmp_path / "feed.csv"),
        "title": "feed.csv",
        "layout": str(tmp_path / "layout.yaml"),
        "label": "verdict",
        "id": "name",
    }
    assert config["audit"] == {
        "feed": "feed",
        "detector": "lightgbm",
        "canaries": "quick",
        "seed": 4,
        "folder": ".",
    }


def test_canaries_are_planted_where_they_are_asked_for_alone(done, tmp_path):
    (tmp_path / "feed.csv").touch()
    told = done("nothing proved")
    assert run(tmp_path / "feed.csv", "--out", tmp_path / "out").exit_code == 0
    assert run("--demo", "--out", tmp_path / "demo").exit_code == 0
    assert [config_of(one)["audit"]["canaries"] for one in (told[0], told[2])] == ["none"] * 2


def test_the_demonstration_plants_before_it_audits(done, tmp_path):
    told = done("proved")
    assert run("--demo", "--out", tmp_path, "--seed", 3).exit_code == 1
    planting, auditing = told
    planted = planting[-1]
    assert planted.startswith("results/demo/seed-3/")
    assert planted.endswith("/feed.parquet")
    assert config_of(auditing)["datasets"]["feed"]["path"] == str(tmp_path / planted)


def test_two_audits_in_a_folder_are_refused(done, tmp_path):
    told = done("proved")
    (tmp_path / "feed.csv").touch()
    with (tmp_path / module.LOCK).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        ended = run(tmp_path / "feed.csv", "--out", tmp_path)
    assert ended.exit_code == 2
    assert "another audit is at work in this folder" in ended.stderr
    assert not told
    assert run(tmp_path / "feed.csv", "--out", tmp_path).exit_code == 1


def test_a_failed_run_ends_with_2(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "run_snakemake", lambda arguments: False)
    (tmp_path / "feed.csv").touch()
    assert run(tmp_path / "feed.csv", "--out", tmp_path).exit_code == 2


@pytest.mark.parametrize("arguments", [[], ["feed.csv", "--demo"]])
def test_either_a_feed_or_the_demonstration(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    ended = run(*arguments)
    assert ended.exit_code == 2
    assert "--demo" in ended.stderr
    assert not any(tmp_path.iterdir())


def test_a_release_is_told_from_a_table(tmp_path):
    (tmp_path / "rows.jsonl").write_text("{}\n")
    (tmp_path / "metadata.csv").write_text("sha256\n")
    assert feed_entry(tmp_path, version=2) == {
        "kind": "ember",
        "path": str(tmp_path),
        "title": tmp_path.name,
        "version": 2,
    }


def test_a_folder_of_tables_is_a_feed(tmp_path):
    (tmp_path / "part-0.parquet").touch()
    assert feed_entry(tmp_path)["kind"] == "rows"


def test_labels_make_a_folder_one_of_programs(tmp_path):
    (tmp_path / "labels.csv").touch()
    entry = feed_entry(tmp_path / "samples", labels=tmp_path / "labels.csv")
    assert (entry["kind"], entry["version"]) == ("programs", 2)
    assert entry["labels"] == str(tmp_path / "labels.csv")
    with pytest.raises(ConfigError, match="--label: goes with a table"):
        feed_entry(tmp_path / "samples", labels=tmp_path / "labels.csv", label="label")


def test_labels_beside_a_table_keep_their_place_and_others_get_theirs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "rows"
    folder.mkdir()
    for path in (folder / "X.npy", folder / "y.npy", tmp_path / "other.npy"):
        path.touch()
    assert feed_entry(folder / "X.npy", label="y.npy")["label"] == "y.npy"
    assert feed_entry(folder / "X.npy", label="other.npy")["label"] == str(tmp_path / "other.npy")


def test_what_is_no_feed_is_told(tmp_path):
    with pytest.raises(CorpusError, match="no such file or folder"):
        feed_entry(tmp_path / "none.parquet")


def test_the_command_the_schema_and_the_engine_know_the_same_detectors():
    schema = yaml.safe_load((WORKFLOW / "schemas" / "config.schema.yaml").read_text())
    known = schema["properties"]["audit"]["properties"]["detector"]["enum"]
    assert set(known) == set(DETECTORS) == {one.value for one in module.Classifier}


def test_the_command_the_schema_and_the_plan_know_the_same_levels_of_canaries():
    schema = yaml.safe_load((WORKFLOW / "schemas" / "config.schema.yaml").read_text())
    known = schema["properties"]["audit"]["properties"]["canaries"]["enum"]
    assert known == list(LEVELS) == [one.value for one in module.Canaries]
