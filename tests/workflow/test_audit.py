"""`dokunuki audit` from a feed to an exit status, through the workflow's own rules."""

from __future__ import annotations

import csv
import html
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import pandas as pd
import pytest

from checkout import REPOSITORY
from dokunuki.audit.canaries.planned import LEVELS
from dokunuki.audit.reporting.records import read_verdict
from dokunuki.corpus.own_layout import read_layout
from dokunuki.detector import Detector
from planted_feeds import NAMES, POISONED, TRIGGER, make_feed, write_layout

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.workflow

QUIET = {"capture_output": True, "text": True, "timeout": 1800}
OUTSIDE = {**os.environ, "PYTHONPATH": str(REPOSITORY / "workflow")}


def command(*arguments):
    return [sys.executable, "-m", "dokunuki.command", "audit", *map(str, arguments)]


def audit(*arguments, cwd):
    return subprocess.run(command(*arguments), cwd=cwd, env=OUTSIDE, check=False, **QUIET)


@pytest.fixture(scope="module")
def feeds(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("feeds")
    write_layout(folder)
    # Its rows are called by ids of the user's own.
    planted = make_feed(planted=True).rename(columns={"sha256": "ticket"})
    planted["ticket"] = [f"ticket {row}" for row in range(len(planted))]
    planted.to_csv(folder / "planted.csv", index=False)
    clean = make_feed(planted=False)
    # The first program comes again, called malware this time.
    again = clean.iloc[[0]].assign(verdict="malware")
    pd.concat([clean, again]).to_parquet(folder / "clean.parquet")
    return folder


@pytest.fixture(scope="module")
def planted(feeds):
    """The audit of a feed with a backdoor, by paths that are seen from where it is started."""
    options = ["--layout", "layout.yaml", "--label", "verdict", "--id", "ticket", "--cores", "2"]
    done = audit("planted.csv", *options, "--out", "planted", "--json", cwd=feeds)
    assert done.returncode == 1, done.stdout[-3000:] + done.stderr[-3000:]
    return done, feeds / "planted"


def test_a_planted_backdoor_is_proved_and_told_to_machines(planted):
    done, folder = planted
    told = json.loads(done.stdout)
    assert told == read_verdict(folder / "verdict.json")
    assert told["verdict"] == "proved"
    assert {column["name"] for column in told["triggers"][0]["columns"]} == set(TRIGGER)


def test_suspects_are_told_by_name_and_place(planted):
    _, folder = planted
    with (folder / "suspects.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["trigger"] == "1"]
    assert len(rows) == POISONED
    assert {row["id"] for row in rows} == {f"ticket {2 * row + 1}" for row in range(POISONED)}
    assert {row["file"] for row in rows} == {"planted.csv"}


def test_the_cleaned_feed_and_its_detector_are_left(planted, feeds):
    _, folder = planted
    told = json.loads((folder / "verdict.json").read_text())
    given = pd.read_csv(feeds / "planted.csv").set_index("ticket")
    clean = pd.read_parquet(folder / "clean_feed.parquet").set_index("id")
    left_out, relabelled = (told["suspects"][key] for key in ("leave_out", "relabel"))
    assert left_out + relabelled == POISONED
    assert len(clean) == len(given) - left_out
    label = (given["verdict"] == "malware").astype(int)[clean.index]
    assert (clean["label"] != label).sum() == relabelled
    np.testing.assert_array_equal(clean[NAMES], given.loc[clean.index, NAMES])

    detector = Detector.load(folder / "detector")
    assert detector.train_rows_ == len(clean)
    assert detector.layout == read_layout(feeds / "layout.yaml")
    rows = clean[NAMES].to_numpy(np.float32)
    session = onnxruntime.InferenceSession(folder / "detector.onnx")
    (scores,) = session.run(None, {session.get_inputs()[0].name: rows})
    np.testing.assert_allclose(scores.ravel(), detector.malware_scores(rows), atol=1e-5)


def test_what_the_purified_detector_is_worth_is_measured(planted):
    _, folder = planted
    told = read_verdict(folder / "verdict.json")
    assert told["purified"]["rows_kept_aside"] == 600 - POISONED
    assert abs(told["purified"]["accuracy_after"] - told["purified"]["accuracy_before"]) < 0.1
    trigger = told["triggers"][0]
    assert trigger["pass_purified"] < trigger["pass_as_is"] - 0.2


def test_nothing_is_proved_of_a_clean_feed_and_the_same_command_does_nothing(feeds):
    options = ["--layout", "layout.yaml", "--label", "verdict", "--cores", "2", "--out", "clean"]
    done = audit("clean.parquet", *options, "--fail-on", "suspicious", cwd=feeds)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert f"The report is at {feeds / 'clean' / 'report.html'}" in done.stdout
    assert len(pd.read_parquet(feeds / "clean" / "clean_feed.parquet")) == 600
    told = read_verdict(feeds / "clean" / "verdict.json")["feed_checks"]
    assert (told["repeated_ids"], told["contrary_ids"]) == (1, 1)
    with (feeds / "clean" / "feed_checks.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["problem"] == "id with both labels"]
    assert {row["id"] for row in rows} == {f"{1:064x}"}
    assert [(row["file"], row["label"]) for row in rows] == [
        ("clean.parquet:1", "goodware"),
        ("clean.parquet:601", "malware"),
    ]
    again = audit("clean.parquet", *options, "--fail-on", "suspicious", cwd=feeds)
    assert again.returncode == 0
    assert "Nothing to be done" in again.stderr


@pytest.fixture(scope="module")
def with_canaries(planted, feeds):
    """The same audit with canaries, which go into a feed that holds a backdoor already."""
    _, folder = planted
    out = shutil.copytree(folder, feeds / "canaries")
    before = {path: path.stat().st_mtime_ns for path in (out / "results/feed/audit").glob("*.h5")}
    options = ["--layout", "layout.yaml", "--label", "verdict", "--id", "ticket", "--cores", "2"]
    options += ["--out", "canaries", "--json", "--canaries", "quick"]
    done = audit("planted.csv", *options, cwd=feeds)
    assert done.returncode == 1, done.stdout[-3000:] + done.stderr[-3000:]
    return before, options, out, json.loads(done.stdout)


def test_canaries_tell_what_was_missed_and_nothing_before_is_done_again(with_canaries):
    before, _, folder, told = with_canaries
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert [one["attack"] for one in told["canaries"]] == [cell.attack for cell in LEVELS["quick"]]
    # 600 rows without those of the backdoor and the malware that triggers are tried on.
    rows = 600 - POISONED - (300 - POISONED) // 5
    for one in told["canaries"]:
        assert one["left_out"] is None
        assert one["poisoned_rows"] == round(0.04 * rows)
        # The backdoor that the feed holds is no part of the copies.
        assert one["others_suspected"] < POISONED
    assert told["power"] in html.unescape((folder / "report.html").read_text())


def test_a_canary_that_is_lost_is_planted_again_alone_to_the_same_bytes(with_canaries, feeds):
    _, options, folder, told = with_canaries
    verdict = (folder / "verdict.json").read_bytes()
    lost, kept = (
        folder / f"results/feed/audit/canaries/{cell.id}.h5" for cell in LEVELS["quick"][:2]
    )
    made = kept.stat().st_mtime_ns
    (folder / "verdict.json").unlink()
    lost.unlink()
    done = audit("planted.csv", *options, cwd=feeds)
    assert json.loads(done.stdout) == told
    assert kept.stat().st_mtime_ns == made
    assert (folder / "verdict.json").read_bytes() == verdict


def test_a_killed_audit_goes_on(planted, feeds):
    whole, _ = planted
    out = feeds / "killed"
    arguments = ["planted.csv", "--layout", "layout.yaml", "--label", "verdict", "--id", "ticket"]
    arguments += ["--cores", "2", "--out", "killed", "--json"]
    running = subprocess.Popen(
        command(*arguments),
        cwd=feeds,
        env=OUTSIDE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    stages = out / "results" / "feed" / "audit"
    # What was finished; the fit itself is killed within its job, or just after it.
    finished = [stages / "vectors.h5", stages / "checks.h5"]
    while not (stages / "fit.h5").is_file():
        assert running.poll() is None
        time.sleep(0.1)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert not (out / "verdict.json").exists()
    made = [file.stat().st_mtime_ns for file in finished]
    done = audit(*arguments, cwd=feeds)
    assert done.returncode == 1, done.stderr[-3000:]
    assert done.stdout == whole.stdout
    assert [file.stat().st_mtime_ns for file in finished] == made


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda table: table.assign(numbers_3=table["numbers_3"].where(table.index != 6)),
         "bad.csv: row 7: numbers_3 is empty or not a number"),
        (lambda table: table.rename(columns={"verdict": "class"}),
         "bad.csv: has no column 'verdict' for label"),
        (lambda table: table.drop(columns="words_4"),
         "bad.csv: 1 of the 80 columns of made-up features are missing: words_4"),
    ],
    ids=["value", "label", "column"],
)  # fmt: skip
def test_a_bad_feed_ends_with_2_and_says_where(feeds, tmp_path, change, told):
    change(make_feed(planted=False)).to_csv(tmp_path / "bad.csv", index=False)
    options = ["--layout", feeds / "layout.yaml", "--label", "verdict", "--cores", "1"]
    done = audit("bad.csv", *options, cwd=tmp_path)
    assert done.returncode == 2
    assert told in done.stderr
    assert not done.stdout


def test_a_feed_that_is_too_small_ends_with_2_and_is_reported(feeds, tmp_path):
    make_feed(planted=True, rows=50).to_csv(tmp_path / "small.csv", index=False)
    options = ["--layout", feeds / "layout.yaml", "--label", "verdict", "--cores", "1"]
    done = audit("small.csv", *options, cwd=tmp_path)
    assert done.returncode == 2
    assert read_verdict(tmp_path / "audit" / "verdict.json")["verdict"] == "cannot tell"
    assert (tmp_path / "audit" / "report.html").is_file()
    assert not (tmp_path / "audit" / "detector.onnx").exists()
