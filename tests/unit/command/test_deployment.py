"""`dokunuki export` and `dokunuki score`: a detector leaves the house and judges rows."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import orjson
import pandas as pd
import pytest
from typer.testing import CliRunner

from conftest import raw_row
from dokunuki.command.app import app
from dokunuki.corpus.vectoriser import vectorise
from dokunuki.detector import Detector
from exported import LAYOUT, network
from made_up_programs import launchers


@pytest.fixture(scope="module")
def raw():
    rng = np.random.default_rng(3)
    return [raw_row(rng, number % 2) for number in range(80)]


@pytest.fixture(scope="module")
def detector(raw):
    fitted = Detector([], network()).fit(vectorise(raw, 1), [row["label"] for row in raw])
    fitted.thresholds = {"fpr_1": 0.9}
    return fitted


@pytest.fixture(scope="module")
def folder(detector, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "detector"
    detector.save(path)
    return path


@pytest.fixture(scope="module")
def onnx(folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "detector.onnx"
    assert run("export", folder, "--onnx", path).exit_code == 0
    return path


@pytest.fixture
def feed(raw, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in raw))
    return path


def run(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments)])


def score(*arguments):
    return run("score", *arguments, "--cores", "1")


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def test_an_exported_detector_scores_as_its_folder_does(folder, onnx, feed, raw, detector):
    expected = detector.malware_scores(vectorise(raw, 1))
    for model in (onnx, folder, folder / "detector.json"):
        done = score(model, feed)
        assert done.exit_code == 0, done.stderr
        told = lines(done.stdout)
        assert [line["sha256"] for line in told] == [row["sha256"] for row in raw]
        np.testing.assert_allclose([line["score"] for line in told], expected, atol=1e-5)
        malware = [line["verdict"] == "malware" for line in told]
        assert malware == (expected >= 0.5).tolist()
        assert f"scored: 80; malware: {sum(malware)}; errors: 0" in done.stderr


def test_rows_are_compared_at_export(folder, feed, tmp_path, raw):
    done = run("export", folder, "--onnx", tmp_path / "new.onnx", "--rows", feed)
    assert done.exit_code == 0, done.stderr
    # 64 drawn rows, both ends of the ranges and zeros, beside those that were given.
    assert f"rows scored alike: {len(raw) + 67} of {len(raw) + 67}" in done.stdout
    assert (tmp_path / "new.onnx").is_file()


def test_bad_rows_are_left_out_of_the_comparison(folder, feed, tmp_path, raw):
    with feed.open("a") as file:
        file.write("no row\n")
    done = run("export", folder, "--onnx", tmp_path / "new.onnx", "--rows", feed)
    assert f"rows scored alike: {len(raw) + 67} of" in done.stdout


def test_what_cannot_be_exported_is_told(folder, onnx, tmp_path):
    again = run("export", onnx, "--onnx", tmp_path / "new.onnx")
    assert again.exit_code == 2
    assert "is already an ONNX file" in again.stderr
    nothing = run("export", tmp_path, "--onnx", tmp_path / "new.onnx")
    assert nothing.exit_code == 2
    assert "detector.json" in nothing.stderr
    (tmp_path / "no.jsonl").write_text("no row\n")
    bad = run("export", folder, "--onnx", tmp_path / "new.onnx", "--rows", tmp_path / "no.jsonl")
    assert bad.exit_code == 2
    assert "no row that could be scored" in bad.stderr
    assert not (tmp_path / "new.onnx").exists()


def test_a_format_is_asked_for_or_goes_by_the_name(onnx, feed, tmp_path):
    printed = score(onnx, feed, "--format", "csv").stdout
    assert score(onnx, feed, "--out", tmp_path / "scores.csv").stdout == ""
    assert (tmp_path / "scores.csv").read_text() == printed
    rows = list(csv.DictReader(io.StringIO(printed)))
    assert {"score", "verdict", "verdict_fpr_1"} <= rows[0].keys()
    score(onnx, feed, "--out", tmp_path / "scores.jsonl")
    assert [line["score"] for line in lines((tmp_path / "scores.jsonl").read_text())] == [
        float(row["score"]) for row in rows
    ]


def test_one_bad_row_is_one_line_and_not_the_end(onnx, feed, raw):
    text = feed.read_text()
    feed.write_text("no row\n" + text)
    done = score(onnx, feed, feed.parent / "nothing.jsonl")
    assert done.exit_code == 0
    told = lines(done.stdout)
    assert len(told) == len(raw) + 2
    assert "error" in told[0]
    assert "nothing.jsonl" in told[-1]["error"]
    assert "errors: 2" in done.stderr


def test_nothing_that_can_be_scored_ends_with_2(onnx, tmp_path):
    done = score(onnx, tmp_path / "nothing.jsonl", "--out", tmp_path / "scores.jsonl")
    assert done.exit_code == 2
    assert "nothing.jsonl" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "scores.jsonl").exists()


def test_malware_fails_where_it_is_asked_to(onnx, raw, detector, tmp_path):
    X = vectorise(raw, 1)
    malware = detector.malware_scores(X) >= 0.5
    assert malware.any()
    assert not malware.all()
    for name, chosen in (("malware", malware), ("goodware", ~malware)):
        table = pd.DataFrame(X[chosen], columns=list(LAYOUT.names))
        table.to_parquet(tmp_path / f"{name}.parquet")
        done = score(onnx, tmp_path / f"{name}.parquet", "--fail-on", "malware")
        assert done.exit_code == int(name == "malware")
        assert score(onnx, tmp_path / f"{name}.parquet").exit_code == 0


def test_programs_are_scored(onnx, tmp_path):
    programs = tmp_path / "programs"
    programs.mkdir()
    for path in launchers()[:2]:
        (programs / path.name).write_bytes(path.read_bytes())
    (programs / "long.exe").write_bytes(b"MZ" + bytes(300_000))
    done = score(onnx, programs, "--max-bytes", 200_000)
    assert done.exit_code == 0, done.stderr
    assert ["score" in line for line in lines(done.stdout)] == [True, True, False]


def test_a_detector_that_is_not_there_ends_with_2(feed, tmp_path):
    done = score(tmp_path / "no.onnx", feed)
    assert done.exit_code == 2
    assert "no.onnx: no such file" in done.stderr
