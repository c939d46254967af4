"""`dokunuki extract`: a folder of programs as a feed that the study reads."""

from __future__ import annotations

import csv
import json
import shutil

import pyarrow.parquet
import pytest
from typer.testing import CliRunner

from dokunuki.command.app import app
from dokunuki.corpus.index import build_index
from dokunuki.corpus.layout import feature_layout
from dokunuki.corpus.own_rows import OwnRows
from made_up_programs import launchers


@pytest.fixture
def folder(tmp_path):
    """The launchers, of which the first stands twice, and a file that is no program."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for path in launchers():
        shutil.copyfile(path, programs / path.name)
    shutil.copyfile(launchers()[0], programs / "zz-copy.exe")
    (programs / "letter.exe").write_text("no program")
    return programs


def unlike():
    """The launchers whose content is none of the others'."""
    return len({path.read_bytes() for path in launchers()})


def extract(*arguments):
    return CliRunner().invoke(app, ["extract", *map(str, arguments), "--cores", "1"])


def test_vectors_with_labels(folder, tmp_path):
    labels = tmp_path / "labels.csv"
    names = [path.name for path in sorted(folder.glob("*.exe")) if path.name != "letter.exe"]
    labels.write_text("file;class\n" + "".join(f"{name};malware\n" for name in names))
    done = extract(folder, "--labels", labels, "--out", tmp_path / "new" / "feed.parquet")
    assert done.exit_code == 0, done.stderr
    assert f"rows: {unlike()}; files without a row: 1" in done.stdout
    table = pyarrow.parquet.read_table(tmp_path / "new" / "feed.parquet")
    assert table.num_rows == unlike()
    assert set(table["label"].to_pylist()) == {1}
    assert table.num_columns == 5 + 2381
    with (tmp_path / "new" / "feed.programs.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(names) + 1
    with (tmp_path / "new" / "feed.errors.csv").open() as file:
        assert [(row["path"], row["kind"]) for row in csv.DictReader(file)] == [
            ("letter.exe", "no_program")
        ]
    beside = ["feed.errors.csv", "feed.parquet", "feed.programs.csv"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == beside


def test_the_feed_is_read_as_own_rows(folder, tmp_path):
    labels = tmp_path / "labels.csv"
    names = sorted(path.name for path in folder.glob("*.exe"))
    labels.write_text("path,label\n" + "".join(f"{name},0\n" for name in names))
    feed = tmp_path / "feed.parquet"
    assert extract(folder, "--labels", labels, "--out", feed, "--version", 1).exit_code == 0
    rows = OwnRows(feed, feature_layout(1), label="label", sample_id="sha256")
    index, _ = build_index(rows)
    assert len(index) == unlike()
    assert set(index.label) == {0}


def test_raw_rows_without_labels(folder, tmp_path):
    done = extract(folder, "--out", tmp_path / "rows.jsonl", "--version", "1")
    assert done.exit_code == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    # As extracted: a program that stands twice has two rows.
    assert len(rows) == len(launchers()) + 1
    assert {row["label"] for row in rows} == {-1}
    assert "datadirectories" not in rows[0]


@pytest.mark.parametrize("name", ["feed.csv", "feed"])
def test_another_format_is_told_before_anything_is_read(folder, tmp_path, name):
    done = extract(folder, "--out", tmp_path / name)
    assert done.exit_code == 2
    assert ".parquet and .jsonl" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_without_programs_leaves_no_output(tmp_path):
    (tmp_path / "programs").mkdir()
    (tmp_path / "programs" / "letter.exe").write_text("no program")
    done = extract(tmp_path / "programs", "--out", tmp_path / "feed.parquet")
    assert done.exit_code == 2
    assert "no row could be made of any of its 1 files" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["programs"]


def test_a_missing_table_of_labels_is_named(folder, tmp_path):
    done = extract(folder, "--labels", tmp_path / "no.csv", "--out", tmp_path / "feed.parquet")
    assert done.exit_code == 2
    assert "no.csv: no such file" in done.stderr
