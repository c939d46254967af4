from __future__ import annotations

import hashlib
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from dokunuki.corpus.index import build_index, read_index, write_index
from dokunuki.corpus.protocol import IndexEntry
from dokunuki.corpus.release import open_release
from dokunuki.errors import CorpusError, DataFileError


def indexed(path, **options):
    return build_index(open_release(path, 1), **options)


def test_a_duplicate_is_kept_once_the_first_and_reported(write_folder, write_archive, make_row):
    rows = {
        "train_features_0.jsonl": [make_row(0, 0), make_row(1, 1), make_row(0, 1)],
        "test_features.jsonl": [make_row(2, 1), make_row(1, 0), make_row(0, 0)],
    }
    # The archive holds its files in the other order; the same rows must be kept.
    for path in (write_folder(rows), write_archive(dict(reversed(rows.items())))):
        index, report = indexed(path)
        assert index.sha256(range(3)) == [make_row(n)["sha256"] for n in range(3)]
        assert index.label.tolist() == [0, 1, 1]
        assert index.line.tolist() == [1, 2, 1]
        assert report["duplicates"]["count"] == 3
        assert report["duplicates"]["listed"] == [
            {
                "sha256": make_row(first)["sha256"],
                "kept": f"train_features_0.jsonl:{first + 1}",
                "left_out": left_out,
            }
            for first, left_out in (
                (0, "train_features_0.jsonl:3"),
                (1, "test_features.jsonl:2"),
                (0, "test_features.jsonl:3"),
            )
        ]
        assert report["files"] == {"train_features_0.jsonl": 2, "test_features.jsonl": 1}


def test_one_file_with_both_labels_is_told(write_folder, make_row, caplog):
    rows = {
        "train_features_0.jsonl": [make_row(0, 0), make_row(1, -1), make_row(2, 1), make_row(3, 0)],
        "test_features.jsonl": [
            *(make_row(0, 1), make_row(0, 0), make_row(1, 1), make_row(1, 0), make_row(2, 1)),
            *(make_row(3, -1), make_row(3, 0)),
        ],
    }
    with caplog.at_level("WARNING", logger="dokunuki"):
        index, report = indexed(write_folder(rows))
    assert index.label.tolist() == [0, -1, 1, 0]
    assert report["duplicates"]["count"] == 7
    assert report["duplicates"]["contradicting_labels"] == {
        "count": 2,
        "listed": [
            {
                "sha256": make_row(number)["sha256"],
                "rows": [{"row": row, "label": label} for row, label in found],
            }
            for number, found in (
                (
                    0,
                    [
                        ("train_features_0.jsonl:1", 0),
                        ("test_features.jsonl:1", 1),
                        ("test_features.jsonl:2", 0),
                    ],
                ),
                (
                    1,
                    [
                        ("train_features_0.jsonl:2", -1),
                        ("test_features.jsonl:3", 1),
                        ("test_features.jsonl:4", 0),
                    ],
                ),
            )
        ],
    }
    (message,) = caplog.messages
    assert "2 files appear with both labels" in message
    assert "0 in train_features_0.jsonl:1, 1 in test_features.jsonl:1" in message


def test_without_contradictions_nothing_is_told(write_folder, make_row, caplog):
    rows = [make_row(0, 0), make_row(0, 0), make_row(1, -1), make_row(1, 1)]
    with caplog.at_level("WARNING", logger="dokunuki"):
        _, report = indexed(write_folder({"test_features.jsonl": rows}))
    assert report["duplicates"]["contradicting_labels"] == {"count": 0, "listed": []}
    assert not caplog.messages


def spoil(rows):
    rows["train_features_1.jsonl"][3]["histogram"].pop()
    rows["test_features.jsonl"][0]["label"] = 4
    return rows


def test_a_bad_row_fails_by_default(write_folder, release_rows):
    folder = write_folder(spoil(release_rows))
    message = r"train_features_1\.jsonl:4: histogram has 255 .*corpus\.bad_rows: skip"
    with pytest.raises(CorpusError, match=message):
        indexed(folder)


def test_bad_rows_can_be_skipped_counted_and_listed(write_folder, release_rows):
    folder = write_folder(spoil(release_rows))
    index, report = indexed(folder, bad_rows="skip")
    assert len(index) == report["rows"]["usable"] == 28
    assert report["bad_rows"]["count"] == 2
    assert [(row["file"], row["line"]) for row in report["bad_rows"]["listed"]] == [
        ("train_features_1.jsonl", 4),
        ("test_features.jsonl", 1),
    ]
    assert "label is 4" in report["bad_rows"]["listed"][1]["reason"]


def test_no_usable_row(write_folder, make_row):
    row = make_row()
    del row["general"]
    folder = write_folder({"test_features.jsonl": [row]})
    with pytest.raises(CorpusError, match=r"none of its 1 rows is usable.*has no 'general'"):
        indexed(folder, bad_rows="skip")


def test_an_index_survives_its_file(write_folder, release_rows, tmp_path):
    release_rows["test_features.jsonl"][2]["avclass"] = "zbot"
    index, _ = indexed(write_folder(release_rows))
    path = tmp_path / "index.h5"
    write_index(path, index)
    again = read_index(path)
    assert (again.version, again.files, again.families) == (1, index.files, index.families)
    for name in (
        "digest",
        "label",
        "appeared",
        "avclass",
        "week",
        "file",
        "line",
        "offset",
        "length",
        "checksum",
    ):
        np.testing.assert_array_equal(getattr(again, name), getattr(index, name))
    assert again.families[again.avclass[22]] == "zbot"
    assert list(again.locations([5, 22])) == list(index.locations([5, 22]))
    first = path.read_bytes()
    write_index(path, index)
    assert path.read_bytes() == first


def test_digests_that_begin_alike_are_told_apart(write_folder, make_row):
    rows = [make_row(number) for number in range(6)]
    for number, row in enumerate(rows):
        words = ["0" * 16] * 4
        words[number % 4] = "0" * 15 + "1"
        row["sha256"] = "".join(words)
    index, report = indexed(write_folder({"test_features.jsonl": rows}))
    assert index.line.tolist() == [1, 2, 3, 4]
    assert report["duplicates"]["count"] == 2


def test_a_damaged_index(write_folder, release_rows, tmp_path):
    path = tmp_path / "index.h5"
    write_index(path, indexed(write_folder(release_rows))[0])
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DataFileError, match="damaged, truncated or"):
        read_index(path)


class ManyRows:
    """A release of rows that exist only while they are looked at; every fifth is a duplicate."""

    path = Path("many")
    version = 1
    layout = "none"
    total_bytes = bytes_done = 1

    def __init__(self, count):
        self.count = count

    def scan(self):
        for n in range(self.count):
            digest = hashlib.sha256(str(n - (n % 5 == 4)).encode()).digest()
            file = f"train_features_{n % 6}.jsonl"
            yield IndexEntry(
                digest, n % 2, "2017-11", f"family {n % 50}", file, n + 1, n * 6000, 6000, n
            )


def test_memory_stays_in_proportion_to_a_few_numbers_a_row():
    count = 40_000
    tracemalloc.start()
    index, report = build_index(ManyRows(count))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert report["duplicates"]["count"] == count // 5
    assert len(report["duplicates"]["listed"]) == 100
    assert len(index) == count - count // 5
    # 1.1 million rows at 600 bytes are 0.66 GB: far below the 2 GiB allowed.
    assert peak < 600 * count
