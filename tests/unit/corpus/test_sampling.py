from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dokunuki.corpus.index import Index
from dokunuki.corpus.sampling import draw_sample, read_split, write_split
from dokunuki.errors import CorpusError, DataFileError


def index_of(labels):
    n = len(labels)
    digest = np.random.default_rng(1).integers(1, 256, (n, 32), dtype=np.uint8)
    return Index(
        version=1,
        files=("train_features_0.jsonl", "test_features.jsonl"),
        families=("",),
        digest=digest,
        label=np.array(labels, dtype=np.int8),
        appeared=np.full(n, "2017-11"),
        avclass=np.zeros(n, dtype=np.int32),
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
    for name in ("positions", "sha256", "label", "appeared", "role", "file", "line"):
        np.testing.assert_array_equal(getattr(again, name), getattr(split, name))
    assert path.read_text().startswith("position,sha256,label,appeared,role,file,line\n")


@pytest.mark.parametrize(
    ("line", "text", "message"),
    [
        (1, "position,sha256", r"line 1: the columns are not position"),
        (3, "1,ab,0", r"line 3: not 7 fields"),
        (4, "x,ab,0,2017-11,train,f,1", r"line 4: position or line is no number"),
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
