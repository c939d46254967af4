from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dokunuki.corpus.index import Index
from dokunuki.corpus.sampling import draw_sample, read_split, write_split
from dokunuki.errors import CorpusError, DataFileError

# Of splits as they were drawn before there were others than random ones.
SHA256 = {
    (100, 0.2, 20, 0): "3b106b12bfedb713cd4c8e0846271cf2df99d52472f07b2837a2f2a9c2aa87c7",
    (60, 0.2, 25, 3, 16, 10): "6d40904fd2b1be6a7ea198208fca377c9074423c59788715acf522e28bc31c4c",
}


COLUMNS = ("positions", "sha256", "label", "appeared", "role", "file", "line")


def index_of(labels):
    n = len(labels)
    digest = np.random.default_rng(1).integers(1, 256, (n, 32), dtype=np.uint8)
    return Index(
        version=1,
        files=("train_features_0.jsonl", "test_features.jsonl"),
        dates=("2017-11",),
        families=("",),
        weeks=("",),
        digest=digest,
        label=np.array(labels, dtype=np.int8),
        appeared=np.zeros(n, dtype=np.int32),
        avclass=np.zeros(n, dtype=np.int32),
        week=np.zeros(n, dtype=np.int16),
        file=(np.arange(n) >= n // 2).astype(np.int16),
        line=np.arange(1, n + 1),
        offset=np.arange(n) * 10,
        length=np.full(n, 10),
        checksum=np.zeros(n, dtype=np.uint32),
    )


@pytest.fixture
def index(rng):
    return index_of(rng.permutation([0] * 60 + [1] * 80 + [-1] * 20))


def counts(split, role):
    labels = split.label[split.role == role]
    return (labels == 0).sum(), (labels == 1).sum()


def test_classes_roles_and_order(index):
    split = draw_sample(index, rows=100, test_share=0.2, validation_malware=25, seed=0)
    assert counts(split, "train") == (40, 40)
    assert counts(split, "test") == (10, 10)
    assert counts(split, "validation") == (0, 25)
    assert len(np.unique(split.positions)) == len(split) == 125
    np.testing.assert_array_equal(split.label, index.label[split.positions])
    assert split.sha256.tolist() == index.sha256(split.positions)
    assert list(dict.fromkeys(split.role.tolist())) == ["train", "test", "validation"]
    for role in ("train", "test", "validation"):
        assert (np.diff(split.positions[split.role == role]) > 0).all()


def test_rows_for_calibration_and_clean_rows_are_drawn_apart_and_change_no_other(index, tmp_path):
    without = draw_sample(index, 60, 0.2, 25, seed=0)
    split = draw_sample(index, 60, 0.2, 25, seed=0, calibration_rows=16, clean_rows=10)
    assert counts(split, "calibration") == (8, 8)
    assert counts(split, "clean") == (5, 5)
    assert len(np.unique(split.positions)) == len(split) == 60 + 25 + 16 + 10
    write_split(tmp_path / "without.csv", without)
    write_split(tmp_path / "split.csv", split)
    shorter, longer = ((tmp_path / name).read_text() for name in ("without.csv", "split.csv"))
    assert longer.startswith(shorter)
    np.testing.assert_array_equal(read_split(tmp_path / "split.csv").role, split.role)
    calibrating = draw_sample(index, 60, 0.2, 25, seed=0, calibration_rows=16)
    np.testing.assert_array_equal(calibrating.positions, split.positions[:-10])


def test_all_files_are_pooled(index):
    split = draw_sample(index, 100, 0.2, 25, seed=0)
    for role in ("train", "test", "validation"):
        assert len(set(split.file[split.role == role])) == 2


def test_a_seed_decides_the_sample(index):
    first, again, other = (draw_sample(index, 100, 0.2, 20, seed) for seed in (4, 4, 5))
    np.testing.assert_array_equal(first.positions, again.positions)
    np.testing.assert_array_equal(first.role, again.role)
    assert not np.array_equal(first.positions, other.positions)


@settings(max_examples=50)
@given(
    goodware=st.integers(2, 40),
    malware=st.integers(2, 60),
    half=st.integers(2, 50),
    tested=st.integers(1, 49),
    validation=st.integers(0, 30),
    seed=st.integers(0, 99),
)
def test_a_sample_is_exact_or_refused(goodware, malware, half, tested, validation, seed):
    tested = min(tested, half - 1)
    index = index_of([0] * goodware + [1] * malware)
    if goodware < half or malware < half + validation:
        with pytest.raises(CorpusError, match=rf"has {goodware} goodware and {malware} malware"):
            draw_sample(index, 2 * half, tested / half, validation, seed)
        return
    split = draw_sample(index, 2 * half, tested / half, validation, seed)
    assert counts(split, "test") == (tested, tested)
    assert counts(split, "train") == (half - tested, half - tested)
    assert counts(split, "validation") == (0, validation)
    assert len(set(split.positions.tolist())) == 2 * half + validation


def test_too_few_rows_for_what_is_drawn_last(index):
    with pytest.raises(CorpusError, match=r"asks for 60 goodware and 60 .*20 of each class for"):
        draw_sample(index_of([0] * 59 + [1] * 80), 80, 0.5, 0, 0, calibration_rows=40)
    with pytest.raises(CorpusError, match=r"malware, sample\.calibration_rows and sample\.clean"):
        draw_sample(index, 2000, 0.5, 90, 0, clean_rows=40)


@pytest.mark.parametrize(
    ("rows", "validation", "message"),
    [
        (122, 0, "asks for 61 goodware and 61 malware .* lower sample.rows to 120 at most"),
        (120, 25, "asks for 60 goodware and 85 malware .* lower sample.rows to 110 at most"),
        (2000, 90, "lower sample.rows and sample.validation_malware"),
    ],
)
def test_too_few_rows(index, rows, validation, message):
    with pytest.raises(CorpusError, match=message):
        draw_sample(index, rows, 0.5, validation, seed=0)


@pytest.mark.parametrize(("rows", "share"), [(9, 0.2), (100, 0), (100, 1), (4, 0.1)])
def test_samples_that_make_no_sense(index, rows, share):
    with pytest.raises(CorpusError, match=r"change sample\.rows or sample\.test_share"):
        draw_sample(index, rows, share, 0, seed=0)


def test_a_split_survives_its_file(index, tmp_path):
    split = draw_sample(index, 100, 0.2, 20, seed=0)
    path = tmp_path / "split.csv"
    write_split(path, split)
    again = read_split(path)
    for name in (*COLUMNS, "family", "week"):
        np.testing.assert_array_equal(getattr(again, name), getattr(split, name))
    assert path.read_text().startswith("position,sha256,label,appeared,role,file,line\n")


@pytest.mark.parametrize("arguments", SHA256)
def test_a_random_sample_is_what_it_always_was(arguments, tmp_path):
    labels = np.random.default_rng(7).permutation([0] * 60 + [1] * 80 + [-1] * 20)
    path = tmp_path / "split.csv"
    write_split(path, draw_sample(index_of(labels), *arguments))
    assert hashlib.sha256(path.read_bytes()).hexdigest() == SHA256[arguments]


@pytest.mark.parametrize(("families", "weeks"), [(True, True), (True, False), (False, True)])
def test_family_and_week_are_kept_where_the_release_tells_them(index, tmp_path, families, weeks):
    told = replace(
        index,
        families=("", "zbot, the") if families else ("",),
        avclass=(index.label == 1).astype(np.int32) * families,
        weeks=("2023-09-24", "2023-10-01") if weeks else ("",),
        week=index.file * weeks,
    )
    path = tmp_path / "split.csv"
    split = draw_sample(told, 100, 0.2, 20, seed=0)
    write_split(path, split)
    columns = ["family"] * families + ["week"] * weeks
    assert path.read_text().splitlines()[0].split(",")[7:] == columns
    again = read_split(path)
    for name in (*COLUMNS, "family", "week"):
        np.testing.assert_array_equal(getattr(again, name), getattr(split, name))
    assert set(again.family[again.label == 1]) == {"zbot, the" if families else ""}
    # The same rows, whatever is told of them.
    np.testing.assert_array_equal(again.positions, draw_sample(index, 100, 0.2, 20, 0).positions)


def dated(labels, dates, weeks=None):
    """An index of rows with these labels and dates, or weeks where there is no date."""
    index = index_of(labels)
    known, appeared = np.unique(np.array(dates, dtype=str), return_inverse=True)
    told, week = np.unique(np.array(weeks or [""] * len(labels)), return_inverse=True)
    return replace(
        index,
        dates=tuple(known.tolist()),
        appeared=appeared.astype(np.int32),
        weeks=tuple(told.tolist()),
        week=week.astype(np.int16),
    )


def sides(split, when):
    """Dates of what is collected before the cut and of what is measured after it."""
    later = np.isin(split.role, ["test", "validation"])
    return when[split.positions][~later], when[split.positions][later]


@pytest.mark.parametrize("seed", range(4))
def test_by_time_all_that_is_measured_is_later_than_all_that_is_trained_on(rng, seed):
    labels = rng.permutation([0] * 300 + [1] * 400 + [-1] * 50)
    # Malware is later than goodware, and the release's order is not that of time.
    days = rng.integers(1, 200, 750) + 30 * (labels == 1)
    when = np.datetime_as_string(np.datetime64("2023-09-23") + days)
    split = draw_sample(dated(labels, when), 100, 0.2, 40, seed, 16, 10, split="time")
    assert counts(split, "train") == (40, 40)
    assert counts(split, "test") == (10, 10)
    assert counts(split, "validation") == (0, 40)
    assert counts(split, "calibration") == (8, 8)
    assert counts(split, "clean") == (5, 5)
    assert len(np.unique(split.positions)) == len(split)
    earlier, later = sides(split, when)
    assert max(earlier) < min(later)
    np.testing.assert_array_equal(split.appeared, when[split.positions])
    # The part after the cut is about as large as its part of the sample.
    cut = (when[labels >= 0] >= min(later)).mean()
    assert 0.2 < cut < 0.5
    for role in ("train", "test", "validation", "calibration", "clean"):
        assert (np.diff(split.positions[split.role == role]) > 0).all()
    without = draw_sample(dated(labels, when), 100, 0.2, 40, seed, split="time")
    np.testing.assert_array_equal(without.positions, split.positions[:-26])
    again = draw_sample(dated(labels, when), 100, 0.2, 40, seed, 16, 10, split="time")
    np.testing.assert_array_equal(again.positions, split.positions)
    other = draw_sample(dated(labels, when), 100, 0.2, 40, seed + 1, split="time")
    assert not np.array_equal(other.positions, split.positions[: len(other)])


def test_by_time_months_are_not_cut_where_that_can_be_avoided(rng):
    labels = np.tile([0, 1], 240)
    when = np.array([f"2017-{month:02d}" for month in rng.integers(1, 13, 480)])
    earlier, later = sides(draw_sample(dated(labels, when), 100, 0.2, 20, 0, split="time"), when)
    assert max(earlier) < min(later)


def test_by_time_rows_of_one_date_are_divided_by_the_seed():
    labels = np.tile([0, 1], 100)
    # As in the rows of EMBER 2017 that tests have: nearly all are of one month.
    when = np.array(["2006-12"] * 4 + ["2017-11"] * 196)
    drawn = [draw_sample(dated(labels, when), 100, 0.2, 20, s, split="time") for s in (0, 1)]
    for split in drawn:
        assert counts(split, "test") == (10, 10)
        earlier, later = sides(split, when)
        assert max(earlier) <= min(later) == "2017-11"
        # At random, and not as they stand in the release.
        earlier, later = sides(split, np.arange(200))
        assert max(earlier) > min(later)
    assert set(drawn[0].positions[-20:]) != set(drawn[1].positions[-20:])


@pytest.mark.parametrize("seed", range(5))
def test_by_time_all_rows_of_one_month_can_be_drawn(seed):
    labels = [0] * 50 + [1] * 60
    split = draw_sample(dated(labels, ["2017-11"] * 110), 100, 0.2, 10, seed, split="time")
    assert counts(split, "train") == (40, 40)
    assert sorted(split.positions) == list(range(110))


def test_by_time_weeks_stand_in_for_dates_and_days_are_compared_as_months(rng):
    labels = np.tile([0, 1], 100)
    weeks = np.repeat(["2023-09-24", "2023-10-01", "2023-10-08", "2023-10-15"], 50)
    split = draw_sample(dated(labels, [""] * 200, weeks.tolist()), 60, 0.2, 10, 0, split="time")
    earlier, later = sides(split, weeks)
    assert max(earlier) < min(later)
    when = np.array(["2017-10", "2017-11-01 12:00:00", "2017-10-31T23:59Z", "2017-11"] * 50)
    months = np.array([text[:7] for text in when])
    split = draw_sample(dated(np.repeat([0, 1], 100), when), 60, 0.2, 10, 0, split="time")
    earlier, later = sides(split, months)
    assert max(earlier) < min(later)


@pytest.mark.parametrize("odd", ["", "<2017", "November", "2017", "2017-11-3"])
def test_by_time_rows_without_a_date_are_told(odd):
    when = ["2017-11"] * 90 + [odd] * 6 + ["2017-12"] * 4
    labels = [0, 1] * 48 + [-1] * 4
    message = (
        rf"every labelled row, but 6 of 96 have none, .*test_features\.jsonl:91 .*appeared: '{odd}'"
        r".*sample\.split: random"
    )
    with pytest.raises(CorpusError, match=message):
        draw_sample(dated(labels, when), 40, 0.2, 10, 0, split="time")
    # Rows that are not drawn from need none.
    labels = [0, 1] * 45 + [-1] * 6 + [0, 1] * 2
    draw_sample(dated(labels, when), 40, 0.2, 10, 0, split="time")


def test_by_time_classes_of_different_times_cannot_be_divided():
    labels = [0] * 100 + [1] * 100
    when = ["2016-01"] * 60 + ["2016-05"] * 40 + ["2017-01"] * 50 + ["2017-02"] * 50
    message = r"32 goodware and 32 malware rows before it, and 8 and 18 after .*2016-01 to 2017-02"
    with pytest.raises(CorpusError, match=message):
        draw_sample(dated(labels, when), 80, 0.2, 10, 0, split="time")


@settings(max_examples=60)
@given(
    goodware=st.integers(4, 40),
    malware=st.integers(4, 60),
    days=st.integers(1, 30),
    half=st.integers(2, 30),
    validation=st.integers(0, 20),
    seed=st.integers(0, 99),
)
def test_a_sample_by_time_is_exact_or_refused(goodware, malware, days, half, validation, seed):
    labels = np.array([0] * goodware + [1] * malware)
    drawn = np.random.default_rng(seed).integers(1, days + 1, len(labels))
    when = np.array([f"2024-01-{day:02d}" for day in drawn])
    tested = round(half / 2)
    # Whether the days can be divided, tried one cut after the other.
    needed = ((half - tested, tested), (half - tested, tested + validation))
    possible = any(
        all(
            (first < day).sum() + (first == day).sum() >= earlier
            and (first > day).sum() + (first == day).sum() >= later
            and len(first) >= earlier + later
            for first, (earlier, later) in zip(
                (drawn[labels == 0], drawn[labels == 1]), needed, strict=True
            )
        )
        for day in range(1, days + 1)
    )
    if not possible or not 0 < tested < half:
        with pytest.raises(CorpusError):
            draw_sample(dated(labels, when), 2 * half, 0.5, validation, seed, split="time")
        return
    split = draw_sample(dated(labels, when), 2 * half, 0.5, validation, seed, split="time")
    assert counts(split, "test") == (tested, tested)
    assert counts(split, "train") == (half - tested, half - tested)
    assert counts(split, "validation") == (0, validation)
    assert len(set(split.positions.tolist())) == 2 * half + validation
    earlier, later = sides(split, when)
    assert max(earlier) <= min(later)


@pytest.mark.parametrize(
    ("line", "text", "message"),
    [
        (1, "position,sha256", r"line 1: the columns are not position"),
        (3, "1,ab,0", r"line 3: does not have 7 fields"),
        (4, "x,ab,0,2017-11,train,f,1", r"line 4: position or line is not a number"),
        (2, "1,ab,5,2017-11,train,f,1", r"line 2: label '5'"),
        (2, "1,ab,0,2017-11,trian,f,1", r"line 2: .*role 'trian'"),
    ],
)
def test_a_damaged_split_names_the_line(index, tmp_path, line, text, message):
    path = tmp_path / "split.csv"
    write_split(path, draw_sample(index, 100, 0.2, 20, seed=0))
    lines = path.read_text().splitlines()
    lines[line - 1] = text
    path.write_text("\n".join(lines))
    with pytest.raises(DataFileError, match=r"its checksum is not the one in split\.csv\.sha256"):
        read_split(path)
    (tmp_path / "split.csv.sha256").unlink()
    with pytest.raises(DataFileError, match=message):
        read_split(path)


def test_a_missing_split(tmp_path):
    with pytest.raises(DataFileError, match="no such file"):
        read_split(tmp_path / "split.csv")
