"""A release scanned by several processes: the results and errors of one, whatever the ranges."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import pickle

import numpy as np
import pytest

from dokunuki.corpus import scanning
from dokunuki.corpus.index import build_index
from dokunuki.corpus.jsonl import Met
from dokunuki.corpus.layout import feature_layout
from dokunuki.corpus.protocol import IndexEntry
from dokunuki.corpus.release import open_release
from dokunuki.corpus.weekly import Selection
from dokunuki.errors import CorpusError
from dokunuki.storage.files import write_checksum

NAME = "train_features_0.jsonl"


@pytest.fixture
def lines(make_row):
    """A dozen sound lines of different lengths."""
    rows = [make_row(n, n % 2) for n in range(12)]
    return [
        json.dumps(r | {"exports": ["x" * 97 * n]}).encode() + b"\n" for n, r in enumerate(rows)
    ]


def folder_with(folder, **contents):
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        (folder / f"{name}.jsonl").write_bytes(content)
    return folder


def whole(path, version=1):
    return list(open_release(path, version).scan())


def by_ranges(path, size, version=1):
    """What `scan` gives, range by range, with lines counted as the ranges count them."""
    release = open_release(path, version)
    rows, lines = [], 0
    for part in release.ranges(size):
        met = Met(Selection(), sound=True)
        lines = lines if part.start else 0
        for row in release.scan_range(part, met):
            assert isinstance(row, IndexEntry)
            rows.append(row._replace(line=row.line + lines))
        lines += met.lines
    return rows


CONTENTS = {
    "as written": lambda lines: b"".join(lines),
    "no final newline": lambda lines: b"".join(lines)[:-1],
    "blank lines": lambda lines: b"\n\n" + b"\n \n\r\n".join(lines) + b"\n\n\n",
    "CRLF": lambda lines: b"".join(lines).replace(b"\n", b"\r\n"),
    "byte order mark": lambda lines: b"\xef\xbb\xbf" + b"".join(lines),
}


@pytest.mark.parametrize("form", CONTENTS)
def test_every_line_is_in_one_range(tmp_path, lines, form):
    path = folder_with(tmp_path / "ember", train_features_0=CONTENTS[form](lines))
    expected = whole(path)
    assert len(expected) == 12
    ends = np.cumsum([row.length for row in expected]).tolist()
    # Ranges that end within a line, at its end, one byte before and behind it; several within one.
    for size in (100, 1000, 7919, ends[0] - 1, ends[0], ends[0] + 1, ends[1], 1 << 20):
        assert by_ranges(path, size) == expected


def test_a_range_within_one_line_has_none(tmp_path, lines):
    path = folder_with(tmp_path / "ember", train_features_0=b"".join(lines))
    release = open_release(path, 1)
    first, second, *_ = release.ranges(len(lines[0]) // 3)
    met = Met(Selection())
    assert len(list(release.scan_range(first, met))) == met.lines == 1
    assert list(release.scan_range(second, met)) == []


def test_empty_files_and_small_ones_are_a_range_each(tmp_path):
    path = folder_with(tmp_path / "ember", train_features_0=b"", train_features_1=b"12345")
    ranges = [tuple(part) for part in open_release(path, 1).ranges(3)]
    second = "train_features_1.jsonl"
    assert ranges == [(NAME, 0, 0), (second, 0, 3), (second, 3, 5)]


def outcome(path, version=1, bad_rows="fail", file_types=None, **options):
    """An index as comparable values and its report, or the error."""
    release = open_release(path, version, file_types)
    try:
        index, report = build_index(release, bad_rows, **options)
    except CorpusError as error:
        return type(error), str(error)
    arrays = {
        field.name: np.asarray(getattr(index, field.name)).tolist()
        for field in dataclasses.fields(index)
    }
    return arrays, report, release.bytes_done


BAD = b'{"sha256": "ab",\n'
DAMAGES = {
    "none": lambda lines: lines,
    "in the first range": lambda lines: [BAD, *lines],
    "in a later range": lambda lines: [*lines[:7], BAD, *lines[7:]],
    "twice": lambda lines: [*lines[:4], BAD, *lines[4:9], b"\n\n", BAD, *lines[9:]],
    "cut off": lambda lines: [*lines[:-1], lines[-1][:-300]],
    "every row": lambda lines: [BAD] * len(lines),
    "blank": lambda lines: [b"\n"] * 3000,
    "empty": lambda lines: [],
    "another label": lambda lines: [*lines, lines[3].replace(b'"label": 1', b'"label": 0')],
    "a web page": lambda lines: [b"<!doctype html>\n", *lines],
}


@pytest.mark.parametrize("bad_rows", ["fail", "skip"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_ranges_give_the_index_and_the_errors_of_the_whole(
    tmp_path, lines, in_ranges, damage, bad_rows
):
    other = [line.replace(b'"sha256": "', b'"sha256": "0')[:-1] for line in lines[:2]]
    path = folder_with(
        tmp_path / "ember",
        train_features_0=b"".join(lines[:3]),
        train_features_1=b"".join(DAMAGES[damage](lines)),
        test_features=b"".join(lines[5:]) + b"\n".join(other),
    )
    expected = outcome(path, bad_rows=bad_rows)
    assert outcome(path, bad_rows=bad_rows, workers=2) == expected


def test_a_damaged_line_in_the_second_range_is_named_by_its_number(tmp_path, lines, in_ranges):
    path = folder_with(tmp_path / "ember", train_features_0=b"".join([*lines[:5], BAD, lines[5]]))
    with pytest.raises(CorpusError, match=r"train_features_0\.jsonl:6: malformed JSON"):
        build_index(open_release(path, 1), workers=2)


def test_a_line_longer_than_any_row_is_named_by_its_number(tmp_path, lines, in_ranges, monkeypatch):
    monkeypatch.setattr("dokunuki.corpus.jsonl._LONGEST_LINE", 1 << 20)
    content = b"".join([*lines[:3], b"[" * (1 << 20), *lines[3:]])
    path = folder_with(tmp_path / "ember", train_features_0=content)
    expected = outcome(path, bad_rows="skip")
    assert ":4: the line is longer" in expected[1]
    assert outcome(path, bad_rows="skip", workers=2) == expected


@pytest.mark.parametrize("bad_rows", ["fail", "skip"])
@pytest.mark.parametrize("sound", [0, 6])
def test_rows_of_another_version_fail_the_release_or_are_bad_rows(
    tmp_path, lines, make_row, in_ranges, bad_rows, sound
):
    others = [json.dumps(make_row(n, version=2)).encode() + b"\n" for n in range(20, 26)]
    content = b"".join([BAD] * 3 + lines[:sound] + others + lines[sound:])
    path = folder_with(tmp_path / "ember", train_features_0=content)
    expected = outcome(path, bad_rows=bad_rows)
    assert outcome(path, bad_rows=bad_rows, workers=2) == expected


def test_a_file_that_is_not_what_its_checksum_says(tmp_path, lines, in_ranges):
    content = b"".join(lines)
    path = folder_with(tmp_path / "ember", train_features_0=content, train_features_1=content)
    write_checksum(path / "train_features_1.jsonl")
    (path / "train_features_1.jsonl").write_bytes(content.replace(b"x", b"y"))
    expected = outcome(path)
    assert "train_features_1.jsonl" in expected[1]
    assert outcome(path, workers=2) == expected


def test_processes_of_their_own_read_the_same(tmp_path, lines, monkeypatch):
    monkeypatch.setattr(scanning, "WORTH_WORKERS", 0)
    monkeypatch.setattr(scanning, "_RANGE_BYTES", 4000)
    content = b"".join([*lines[:7], BAD, *lines[7:]])
    path = folder_with(tmp_path / "ember", train_features_0=content, test_features=content)
    assert outcome(path, bad_rows="skip", workers=2) == outcome(path, bad_rows="skip")
    with pytest.raises(CorpusError, match=r"train_features_0\.jsonl:8: "):
        build_index(open_release(path, 1), workers=2)
    assert multiprocessing.active_children() == []


def test_a_small_release_starts_no_process(tmp_path, lines, monkeypatch):
    monkeypatch.setattr(scanning, "ProcessPoolExecutor", None)
    path = folder_with(tmp_path / "ember", train_features_0=b"".join(lines))
    assert len(build_index(open_release(path, 1), workers=8)[0]) == 12


def test_an_archive_is_read_by_one_process(write_archive, release_rows, monkeypatch):
    monkeypatch.setattr(scanning, "ProcessPoolExecutor", None)
    monkeypatch.setattr(scanning, "WORTH_WORKERS", 0)
    assert len(build_index(open_release(write_archive(release_rows), 1), workers=8)[0]) == 30


def test_a_layout_of_embers_goes_to_a_process_as_its_version(tmp_path):
    for version in (1, 2, 3):
        sent = pickle.dumps(feature_layout(version))
        assert len(sent) < 200
        assert pickle.loads(sent) is feature_layout(version)
    own = dataclasses.replace(feature_layout(1), name="mine", version=None)
    assert pickle.loads(pickle.dumps(own)) == own
