"""EMBER2024's weekly files: which rows are used, which are left out and counted, and duplicates."""

from __future__ import annotations

import copy
import json
import tracemalloc
import zipfile
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from dokunuki.corpus.index import build_index
from dokunuki.corpus.protocol import IndexEntry, file_order
from dokunuki.corpus.release import open_release, release_files
from dokunuki.corpus.sampling import draw_sample
from dokunuki.corpus.vectoriser import vectorise
from dokunuki.corpus.vectors import vectorise_split
from dokunuki.corpus.weekly import CHALLENGE, FILE_TYPES, weekly_name
from dokunuki.errors import CorpusError
from ember2024_rows import capa_copy, raw_row_3, reference_vector

WEEKS = ("2023-09-24_2023-09-30", "2023-10-01_2023-10-07", "2024-09-22_2024-09-28")


def rows_of(file_type, number, seed):
    rng = np.random.default_rng(seed)
    program = file_type in FILE_TYPES[:3]
    rows = [raw_row_3(rng, n % 2, program=program) for n in range(number)]
    return [row | {"file_type": file_type} for row in rows]


def file_name(week, file_type, part="train"):
    return f"{WEEKS[week]}_{file_type}_{part}.jsonl"


@pytest.fixture
def write_weeks(tmp_path):
    """A function: rows by file, which may lie in folders, to a folder."""

    def write(rows_by_file):
        for file, rows in rows_by_file.items():
            path = tmp_path / "weeks" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return tmp_path / "weeks"

    return write


@pytest.fixture
def published():
    """Rows by file of two weeks of training and one of testing, each row twice."""
    rows = {
        file_name(week, file_type, part): rows_of(file_type, 6, 10 * week + place)
        for week, part in enumerate(("train", "train", "test"))
        for place, file_type in enumerate(FILE_TYPES)
    }
    return {
        file: [copied for row in held for copied in (row, capa_copy(row))]
        for file, held in rows.items()
    }


def indexed(path, file_types=None, **options):
    return build_index(open_release(path, 3, file_types), **options)


def test_what_names_tell():
    assert weekly_name("a/2023-09-24_2023-09-30_Dot_Net_train.jsonl") == (
        "2023-09-24",
        "Dot_Net",
        "train",
    )
    assert weekly_name(f"{WEEKS[2]}_Win32_challenge_malicious.jsonl").part == CHALLENGE
    assert weekly_name("challenge_malicious.jsonl").part == CHALLENGE
    for other in ("train_features_0.jsonl", "2023-09-24_Win32_train.jsonl", "x_train.jsonl"):
        assert weekly_name(other) is None


def test_weeks_are_in_the_order_of_time_and_test_weeks_last(published):
    ordered = sorted(published, key=file_order)
    assert [name[:10] for name in ordered] == [w[:10] for w in WEEKS for _ in FILE_TYPES]
    # Whatever the folders are called.
    names = [f"test/{file_name(0, 'Win32')}", file_name(1, "Win32"), file_name(0, "Win32", "test")]
    for shuffled in permutations(names):
        assert sorted(shuffled, key=file_order) == names


def test_programs_are_used_and_all_else_is_left_out_and_counted(write_weeks, published):
    published[f"more/{WEEKS[2]}_Win32_challenge_malicious.jsonl"] = rows_of("Win32", 5, 99)
    folder = write_weeks(published)
    assert len(release_files(folder)) == 19
    index, report = indexed(folder)
    assert report["left_out"] == {"count": 113, "APK": 36, "ELF": 36, "PDF": 36, "challenge": 5}
    assert report["rows"] == {"usable": 54, "goodware": 27, "malware": 27, "unlabelled": 0}
    assert report["duplicates"]["count"] == 54
    assert {weekly_name(file).file_type for file in index.files} == {"Win32", "Win64", "Dot_Net"}
    assert sorted(set(index.told("week"))) == ["2023-09-24", "2023-10-01", "2024-09-22"]


@pytest.mark.parametrize("file_types", [None, ["PDF", "APK"]])
def test_ranges_leave_out_the_same_and_count_it(write_weeks, published, in_ranges, file_types):
    published[f"more/{WEEKS[2]}_Win32_challenge_malicious.jsonl"] = rows_of("Win32", 5, 99)
    folder = write_weeks(published)
    index, report = indexed(folder, file_types)
    again, report_again = indexed(folder, file_types, workers=2)
    assert report_again == report
    assert again.files == index.files
    assert (again.told("week") == index.told("week")).all()
    assert (again.line == index.line).all()


def test_ranges_miss_the_same_types(write_weeks, in_ranges):
    folder = write_weeks({file_name(0, "Win32"): rows_of("Win32", 6, 1)})
    for workers in (1, 2):
        with pytest.raises(CorpusError, match="no file is of type PDF"):
            indexed(folder, ["Win32", "PDF"], workers=workers)


@pytest.mark.parametrize("file_types", [["Dot_Net"], ["PDF", "APK"], ["Win64", "ELF"]])
def test_types_are_chosen(write_weeks, published, file_types):
    index, report = indexed(write_weeks(published), file_types)
    assert {weekly_name(file).file_type for file in index.files} == set(file_types)
    assert len(index) == 18 * len(file_types)
    assert report["left_out"]["count"] == 36 * (6 - len(file_types))


def test_a_type_that_no_file_has(write_weeks, published):
    kept = {file: rows for file, rows in published.items() if "APK" not in file}
    folder = write_weeks({file: rows for file, rows in kept.items() if "PDF" not in file})
    message = r"no file is of type APK or PDF, .*; those here are of type Dot_Net, ELF, Win32, W"
    # At once, and not after all rows have been read: the names tell it.
    with pytest.raises(CorpusError, match=message):
        release_files(folder, ["Win32", "APK", "PDF"])
    assert len(indexed(folder)[0]) == 54


def test_a_type_that_no_zip_has(tmp_path):
    for name in ("Win32_train.zip", "Win32_test.zip", "PDF_test.zip", "challenge.zip"):
        with zipfile.ZipFile(tmp_path / name, "w"):
            pass
    assert len(release_files(tmp_path, ["Win32", "PDF"])) == 4
    message = r"no file is of type Win64, .*; those here are of type PDF, Win32: change"
    with pytest.raises(CorpusError, match=message):
        release_files(tmp_path, ["Win32", "Win64"])
    with pytest.raises(CorpusError, match="of type Win64"):
        release_files(tmp_path / "Win32_train.zip", ["Win64"])


def test_rows_that_contradict_their_files_name(write_weeks):
    rows = rows_of("Win32", 4, 1)
    rows[2]["file_type"] = "APK"
    folder = write_weeks({file_name(0, "Win32"): rows})
    with pytest.raises(CorpusError, match=r"train\.jsonl:3: file_type is 'APK', but the file's"):
        indexed(folder)
    assert indexed(folder, bad_rows="skip")[1]["bad_rows"]["count"] == 1
    # A row need not say it.
    del rows[2]["file_type"]
    assert len(indexed(write_weeks({file_name(0, "Win32"): rows}))[0]) == 4


def test_rows_of_other_files_are_told_by_their_type_alone(write_folder):
    rows = rows_of("Win64", 4, 1) + rows_of("ELF", 3, 2)
    for number, row in enumerate(rows):
        row["week_id"] = 52 * (number % 2)
    folder = write_folder({"train_features_0.jsonl": rows})
    index, report = indexed(folder)
    assert len(index) == 4
    assert report["left_out"] == {"count": 3, "ELF": 3}
    assert index.told("week").tolist() == ["2023-09-24", "2024-09-22"] * 2
    assert len(indexed(folder, ["ELF"])[0]) == 3
    with pytest.raises(CorpusError, match=r"of type PDF, .* those here are of type ELF, Win64"):
        indexed(folder, ["PDF"])


def test_rows_of_versions_1_and_2_tell_no_type(write_folder, release_rows):
    assert len(build_index(open_release(write_folder(release_rows), 1, None))[0]) == 30


def test_nothing_that_was_asked_for(write_weeks):
    folder = write_weeks({file_name(0, "APK"): rows_of("APK", 4, 1)})
    with pytest.raises(
        CorpusError, match=r"none of its 4 rows .*4 are of types not in file_types \(APK\)"
    ):
        indexed(folder)


def test_each_row_is_kept_once_whichever_copy_comes_first(write_weeks):
    first, later, tested = (rows_of("Win32", 8, week) for week in range(3))
    recurring = [row for row in first if row["label"] == 0][:3]
    twice = [capa_copy(first[0]), *first, *(capa_copy(row) for row in first[1:])]
    folder = write_weeks(
        {
            # Read before the others by its folder, were it not for the weeks.
            f"a/{file_name(2, 'Win32', 'test')}": [*tested, *recurring[:1], capa_copy(later[1])],
            f"b/{file_name(1, 'Win32')}": [*recurring, *later, *map(capa_copy, later)],
            f"c/{file_name(0, 'Win32')}": twice,
            f"d/{file_name(0, 'Win32')}": twice,
        }
    )
    index, report = indexed(folder)
    expected = [row["sha256"] for row in (*first, *later, *tested)]
    assert sorted(index.sha256(range(len(index)))) == sorted(expected)
    assert report["duplicates"]["count"] == 8 + 16 + 3 + 8 + 2
    week = dict(zip(index.sha256(range(24)), index.told("week"), strict=True))
    assert {week[row["sha256"]] for row in recurring} == {"2023-09-24"}
    assert {file.split("/")[0] for file in index.told("file")} == {"a", "b", "c"}
    split = draw_sample(index, 20, 0.2, 2, seed=0)
    assert len(set(split.sha256)) == len(split)
    assert not set(split.sha256[split.role == "train"]) & set(split.sha256[split.role == "test"])


def test_from_weekly_files_to_vectors(write_weeks, published):
    folder = write_weeks({f"{file.split('_')[3]}/{file}": rows for file, rows in published.items()})
    release = open_release(folder, 3, ["Win32", "APK"])
    index, _ = build_index(release)
    split = draw_sample(index, 20, 0.5, 2, seed=1)
    assert {row["family"] or "" for rows in published.values() for row in rows} >= set(split.family)
    assert set(split.week) <= set(index.weeks)
    vectors = vectorise_split(release, index, split, dataset="weeks")
    by_sha256 = {row["sha256"]: row for rows in published.values() for row in rows}
    for sha256, vector in zip(vectors.sha256, vectors.X, strict=True):
        row = by_sha256[sha256]
        np.testing.assert_array_equal(vector, reference_vector(row))
        if row["file_type"] == "APK":
            assert vector[:696].any()
            assert not vector[696:].any()


class ManyWeeks:
    """EMBER2024 in small, its rows made while they are looked at: each twice."""

    path = Path("many")
    version = 3
    layout = "none"
    total_bytes = bytes_done = 1

    def __init__(self, count):
        self.count = count

    def scan(self):
        draw = np.random.default_rng(1)
        digests = draw.integers(0, 1 << 62, (self.count // 2, 4), dtype=np.int64).tobytes()
        for n in range(self.count):
            row = n % (self.count // 2)
            week = n % 64
            yield IndexEntry(
                digests[32 * row : 32 * row + 32],
                n % 2,
                f"2024-{week % 12 + 1:02d}-{week % 28 + 1:02d}",
                f"family {n % 5000}",
                f"week {week}",
                n + 1,
                n * 8000,
                8000,
                n,
                f"2024-{week % 12 + 1:02d}-01",
            )


def peak_of(function, *arguments):
    """The most memory in use while a function runs, in bytes, beyond what was before."""
    tracemalloc.start()
    try:
        function(*arguments)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_of_an_index_is_a_few_numbers_a_row():
    count = 100_000
    kept = []
    # 6.5 million rows at 250 bytes are 1.6 GB.
    assert peak_of(lambda: kept.append(build_index(ManyWeeks(count))[0])) < 250 * count
    assert len(kept[0]) == count // 2


def test_memory_does_not_grow_with_the_rows_that_are_read(write_weeks):
    """A parsed row takes some 65 kB: those of a whole week would not fit."""
    rows = rows_of("Win32", 8, 1)

    def peaks(number):
        copies = [copy.copy(rows[n % 8]) | {"sha256": f"{n:064x}"} for n in range(number)]
        release = open_release(write_weeks({file_name(0, "Win32"): copies}), 3)
        places = build_index(release)[0].locations(range(number))
        yield peak_of(lambda: [None for _ in release.scan()])
        yield peak_of(lambda: [None for _ in release.vectors(places, vectorise)])

    for few, many in zip(peaks(300), peaks(900), strict=True):
        assert many < 1.2 * few + 100_000
