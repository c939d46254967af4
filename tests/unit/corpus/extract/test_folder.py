"""A folder of programs becomes a release; what cannot be read is a line of the listing."""

from __future__ import annotations

import csv
import json
import os
import shutil
from importlib.util import find_spec

import pytest

from dokunuki.corpus.extract.folder import extract_folder
from dokunuki.corpus.extract.listing import list_programs, read_extraction
from dokunuki.corpus.index import build_index
from dokunuki.corpus.release import open_release
from dokunuki.errors import CorpusError, DataFileError
from dokunuki.storage.files import sha256_of
from made_up_programs import launchers
from rough_reader import read_roughly

LIMITS = {"version": 1, "max_bytes": 1_000_000, "max_seconds": 60}


@pytest.fixture
def folder(tmp_path):
    """Copies of the launchers: those of the console are goodware, the others malware."""
    programs = tmp_path / "programs"
    (programs / "gui").mkdir(parents=True)
    for path in launchers():
        target = programs / ("gui" if path.stem.startswith("gui") else "") / path.name
        shutil.copyfile(path, target)
    return programs


def write_labels(folder, lines):
    path = folder.parent / "labels.csv"
    path.write_text("path,label\n" + "".join(f"{line}\n" for line in lines))
    return path


def labels_of(folder):
    paths = [path.relative_to(folder) for path in sorted(folder.rglob("*.exe"))]
    return write_labels(folder, [f"{path},{int(path.parts[0] == 'gui')}" for path in paths])


def extract(folder, labels, **changes):
    output = folder.parent / "output"
    extract_folder(folder, labels, output, **(LIMITS | changes))
    return output


def rows_of(output):
    lines = (output / "train_features_0.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def listed(output, name="programs.csv"):
    with (output / name).open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("version", [1, 2])
def test_a_folder_becomes_a_release_that_the_index_reads(folder, version):
    output = extract(folder, labels_of(folder), version=version)
    index, report = build_index(open_release(output, version))
    assert report["bad_rows"]["count"] == 0
    contents = {path.read_bytes() for path in launchers()}
    assert len(index) == len(contents)
    assert report["duplicates"]["count"] == len(launchers()) - len(contents)
    assert set(index.label.tolist()) == {0, 1}


def test_rows_carry_label_date_family_and_the_programs_own_sha256(folder):
    program = sorted(folder.glob("*.exe"))[0]
    digest = sha256_of(program)
    labels = folder.parent / "labels.csv"
    labels.write_text(f"sha256,label,appeared,avclass\n{digest},malware,2018-02,wannacry\n")
    rows = [row for row in rows_of(extract(folder, labels)) if row["sha256"] == digest]
    told = [(row["label"], row["appeared"], row["avclass"]) for row in rows]
    assert told
    assert set(told) == {(1, "2018-02", "wannacry")}


def test_programs_that_the_table_does_not_name_are_unlabelled(folder):
    output = extract(folder, write_labels(folder, ["cli-64.exe,0", "gui/gui-64.exe,"]))
    labels = {entry["path"]: entry["label"] for entry in listed(output)}
    assert labels.pop("cli-64.exe") == "0"
    assert set(labels.values()) == {"-1"}


def test_the_bytes_do_not_depend_on_the_number_of_workers(folder):
    labels = labels_of(folder)
    (folder / "empty.exe").touch()
    outputs = [
        [path.read_bytes() for path in sorted(extract(folder, labels, workers=n).iterdir())]
        for n in (1, 3)
    ]
    assert outputs[0] == outputs[1]


def test_every_kind_of_bad_file_is_an_error_of_its_own_and_no_row(folder):
    launcher = launchers()[0].read_bytes()
    labels = labels_of(folder)
    good = len(rows_of(extract(folder, labels)))
    (folder / "empty.exe").touch()
    (folder / "short.exe").write_bytes(launcher[:100])
    (folder / "half.exe").write_bytes(launcher[: len(launcher) // 2])
    (folder / "text.exe").write_text("#!/bin/sh\n")
    (folder / "huge.exe").write_bytes(launcher + bytes(LIMITS["max_bytes"]))
    (folder / "segfault.exe").write_bytes(launcher)
    (folder / "exit.exe").write_bytes(launcher)
    (folder / "hang.exe").write_bytes(launcher)
    (folder / "gone.exe").symlink_to(folder / "nowhere.exe")
    os.mkfifo(folder / "pipe.exe")
    output = extract(folder, labels, max_seconds=15, workers=2, read=read_roughly)
    kinds = {entry["path"]: entry["kind"] for entry in listed(output, "errors.csv")}
    assert kinds == {
        "empty.exe": "empty",
        "short.exe": "no_program",
        "half.exe": "truncated",
        "text.exe": "no_program",
        "huge.exe": "too_large",
        "segfault.exe": "crashed",
        "exit.exe": "crashed",
        "hang.exe": "timed_out",
        "gone.exe": "unreadable",
        "pipe.exe": "unreadable",
    }
    assert len(rows_of(output)) == good
    assert len(listed(output)) == good + len(kinds)
    report = read_extraction(output)["not_extracted"]
    assert report["count"] == len(kinds)
    assert report["kinds"]["no_program"] == 2
    errors = {entry["path"]: entry["error"] for entry in report["listed"]}
    assert "SIGSEGV" in errors["segfault.exe"]
    assert "max_bytes" in errors["huge.exe"]
    assert "max_seconds" in errors["hang.exe"]


def test_the_same_program_with_two_labels_is_a_contradiction(folder):
    shutil.copyfile(folder / "cli-64.exe", folder / "gui" / "copy.exe")
    output = extract(folder, labels_of(folder))
    (error,) = listed(output, "errors.csv")
    assert (error["path"], error["kind"]) == ("gui/copy.exe", "contradiction")
    assert "cli-64.exe" in error["error"]


def test_a_path_whose_content_is_not_the_tables_is_an_error(folder):
    labels = folder.parent / "labels.csv"
    labels.write_text(f"path,sha256,label\ncli-64.exe,{'0' * 64},1\n")
    (error,) = listed(extract(folder, labels), "errors.csv")
    assert (error["path"], error["kind"]) == ("cli-64.exe", "other_content")


def test_the_table_itself_is_no_program(folder):
    labels = labels_of(folder)
    inside = folder / "labels.csv"
    labels.rename(inside)
    assert "labels.csv" not in list_programs(folder, inside)
    assert listed(extract(folder, inside), "errors.csv") == []


def test_names_that_are_not_utf_8_are_extracted(folder):
    labels = labels_of(folder)
    with open(os.fsencode(folder) + b"/\xff.exe", "wb") as file:  # noqa: PTH123 - bytes
        file.write(launchers()[-1].read_bytes())
    assert "\\udcff.exe" in [entry["path"] for entry in listed(extract(folder, labels))]


def test_a_table_of_other_programs_is_refused(folder):
    labels = folder.parent / "labels.csv"
    labels.write_text(f"sha256,label\n{'0' * 64},1\n")
    with pytest.raises(CorpusError, match="name the table of these programs"):
        extract(folder, labels)
    assert not (folder.parent / "output" / "train_features_0.jsonl").exists()


def test_a_folder_without_a_single_program_is_refused_with_the_first_error(tmp_path):
    folder = tmp_path / "programs"
    folder.mkdir()
    with pytest.raises(CorpusError, match="the folder has no files"):
        extract(folder, tmp_path / "labels.csv")
    (folder / "a.exe").write_bytes(b"")
    with pytest.raises(CorpusError, match=r"no row could be made of any of its 1 files; .*empty"):
        extract(folder, write_labels(folder, ["a.exe,1"]))
    with pytest.raises(CorpusError, match="no such folder"):
        extract(tmp_path / "none", tmp_path / "labels.csv")


def test_a_damaged_listing_is_told_and_other_releases_have_none(folder):
    assert read_extraction(folder) == {}
    output = extract(folder, labels_of(folder))
    (output / "errors.csv").write_text("path\nx\n")
    with pytest.raises(DataFileError, match=r"errors.csv: its columns are"):
        read_extraction(output)


def test_launchers_are_there():
    assert find_spec("setuptools")
    assert len(launchers()) >= 4
