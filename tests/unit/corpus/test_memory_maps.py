from __future__ import annotations

import hashlib

import numpy as np
import pytest

from dokunuki.corpus.index import build_index
from dokunuki.corpus.protocol import BadRow
from dokunuki.corpus.release import open_release
from dokunuki.corpus.sampling import draw_sample
from dokunuki.corpus.vectors import vectorise_split
from dokunuki.errors import CorpusError


def scan(path, version=1):
    return list(open_release(path, version).scan())


def test_reference_vectors_as_maps(sample_folder, tmp_path):
    with np.load(sample_folder / "reference_vectors.npz") as reference:
        X, y = reference["X"], reference["y"]
    for part, rows in (("train", slice(0, 589)), ("test", slice(589, 736))):
        X[rows].tofile(tmp_path / f"X_{part}.dat")
        y[rows].astype(np.float32).tofile(tmp_path / f"y_{part}.dat")
    release = open_release(tmp_path, 1)
    index, report = build_index(release)
    assert report["rows"] == {"usable": 736, "goodware": 300, "malware": 436, "unlabelled": 0}
    assert report["duplicates"]["count"] == 0  # unknown sha256 are no duplicates of each other
    split = draw_sample(index, 200, 0.2, 30, seed=1)
    vectors = vectorise_split(release, index, split, dataset="maps")
    np.testing.assert_array_equal(vectors.X, X[split.positions])
    np.testing.assert_array_equal(vectors.y, y[split.positions])
    assert set(vectors.sha256.tolist()) == {""}


def test_only_one_part(write_maps, release_rows):
    maps = write_maps(release_rows)
    for name in ("X_train.dat", "y_train.dat", "train_metadata.csv"):
        (maps / name).unlink()
    assert len(scan(maps)) == 10


@pytest.mark.parametrize("cut", [1, 4, 2351 * 4])
@pytest.mark.parametrize("name", ["X_train.dat", "y_test.dat"])
def test_truncated_maps(write_maps, release_rows, name, cut):
    maps = write_maps(release_rows)
    (maps / name).write_bytes((maps / name).read_bytes()[:-cut])
    with pytest.raises(CorpusError, match=r"_(train|test)\.dat: .*(truncated|empty)"):
        scan(maps)


def test_empty_labels(write_maps, release_rows):
    maps = write_maps(release_rows)
    (maps / "y_train.dat").write_bytes(b"")
    with pytest.raises(CorpusError, match=r"y_train\.dat: the file is empty"):
        scan(maps)


def test_the_wrong_feature_version(write_maps, release_rows):
    with pytest.raises(CorpusError, match="set version: 1 for this dataset"):
        scan(write_maps(release_rows), version=2)


def test_a_wrong_label_is_a_bad_row(write_maps, release_rows):
    maps = write_maps(release_rows)
    labels = np.fromfile(maps / "y_test.dat", dtype=np.float32)
    labels[[2, 5]] = [7, np.nan]
    labels.tofile(maps / "y_test.dat")
    bad = [row for row in scan(maps) if isinstance(row, BadRow)]
    assert [row.line for row in bad] == [3, 6]
    assert f"{maps}/y_test.dat:3: label is 7.0" in str(bad[0].error)


def changed(path, place, value):
    """Change some values of a map."""
    X = np.fromfile(path, dtype=np.float32).reshape(-1, 2351)
    X[place] = value
    X.tofile(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_vector_that_is_not_finite(write_maps, release_rows, value):
    maps = write_maps(release_rows)
    changed(maps / "X_test.dat", np.s_[4:6, 2], value)
    release = open_release(maps, 1)
    with pytest.raises(
        CorpusError, match=r"X_test\.dat:5: histogram_02 is not a finite number, as in 2 of"
    ):
        build_index(release)
    index, report = build_index(release, bad_rows="skip")
    assert (len(index), report["bad_rows"]["count"]) == (28, 2)


@pytest.mark.parametrize("rows", [slice(13, None), slice(None, 2), slice(7, 8), slice(0, 20)])
def test_a_map_that_was_created_and_not_wholly_filled(write_maps, release_rows, rows):
    maps = write_maps(release_rows)
    changed(maps / "X_train.dat", rows, 0)
    labels = np.fromfile(maps / "y_train.dat", dtype=np.float32)
    labels[rows] = 0
    labels.tofile(maps / "y_train.dat")
    (maps / "train_metadata.csv").unlink()
    release = open_release(maps, 1)
    count, first = len(range(20)[rows]), range(20)[rows][0] + 1
    with pytest.raises(CorpusError) as caught:
        build_index(release)
    assert str(caught.value).startswith(f"{maps}/X_train.dat:{first}: the vector is all zero")
    assert f"{count} of the 20 rows of this map, the first of them row {first}" in str(caught.value)
    assert "bad_rows: skip" in str(caught.value)
    index, report = build_index(release, bad_rows="skip")
    assert report["bad_rows"]["count"] == count
    assert len(index) == 30 - count
    lines = index.line[index.told("file") == "X_train.dat"].tolist()
    assert lines == sorted({*range(1, 21)} - {k + 1 for k in range(20)[rows]})


def test_a_map_of_nothing_but_zeros(write_maps, release_rows):
    maps = write_maps(release_rows, metadata=False)
    for part in ("train", "test"):
        changed(maps / f"X_{part}.dat", slice(None), 0)
    with pytest.raises(
        CorpusError, match=r"none of its 30 rows is usable; the first malformed one.*all zero"
    ):
        build_index(open_release(maps, 1), bad_rows="skip")


def test_a_map_of_many_blocks(tmp_path):
    """Its rows are looked through a block at a time."""
    X = np.ones((500, 2351), dtype=np.float32)
    X[[120, 333, 499]] = 0
    X[450, 7] = np.nan
    X.tofile(tmp_path / "X_train.dat")
    np.zeros(500, dtype=np.float32).tofile(tmp_path / "y_train.dat")
    bad = [row.line for row in scan(tmp_path) if isinstance(row, BadRow)]
    assert bad == [121, 334, 451, 500]


def test_labels_as_whole_numbers(write_maps, release_rows):
    maps = write_maps(release_rows)
    expected = [row.label for row in scan(maps)]
    assert set(expected) == {-1, 0, 1}
    for part in ("train", "test"):
        path = maps / f"y_{part}.dat"
        np.fromfile(path, dtype=np.float32).astype(np.int32).tofile(path)
    assert [row.label for row in scan(maps)] == expected


def test_a_map_with_another_checksum_beside_it(write_maps, release_rows):
    maps = write_maps(release_rows)
    digest = hashlib.sha256((maps / "X_test.dat").read_bytes()).hexdigest()
    (maps / "X_test.dat.sha256").write_text(f"SHA256 (X_test.dat) = {digest.upper()}")
    assert len(scan(maps)) == 30
    changed(maps / "X_test.dat", np.s_[3, 5], 0.25)
    with pytest.raises(CorpusError, match=r"X_test\.dat: damaged, .*fetch or copy it again"):
        scan(maps)


def test_a_row_that_changed_since(write_maps, release_rows):
    maps = write_maps(release_rows)
    release = open_release(maps, 1)
    index, _ = build_index(release)
    changed(maps / "X_test.dat", np.s_[3, 5], 0.25)
    with pytest.raises(CorpusError, match=r"X_test\.dat:4: .* has changed since it was indexed"):
        list(release.vectors(index.locations(range(30)), None))


@pytest.mark.parametrize("name", ["X_train.dat", "y_train.dat", "train_metadata.csv"])
@pytest.mark.parametrize("what", ["a link to a file that is not there", "not a file"])
def test_a_dangling_link_or_a_folder_among_the_maps(write_maps, release_rows, name, what):
    maps = write_maps(release_rows)
    (maps / name).unlink()
    if what == "not a file":
        (maps / name).mkdir()
    else:
        (maps / name).symlink_to(maps / "gone")
    with pytest.raises(CorpusError, match=f"{name}: is {what}"):
        open_release(maps, 1)


def test_maps_that_shrank_since(write_maps, release_rows):
    maps = write_maps(release_rows)
    release = open_release(maps, 1)
    index, _ = build_index(release)
    for name, width in (("X_test.dat", 2351), ("y_test.dat", 1)):
        (maps / name).write_bytes((maps / name).read_bytes()[: 3 * width * 4])
    with pytest.raises(CorpusError, match="has changed since it was indexed"):
        list(release.vectors(index.locations(range(30)), None))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hash,label\nab,1\n", r"metadata\.csv:1: has no column sha256"),
        ("sha256\n" + "a" * 64 + "\n", "describes 1 rows, y_test.dat has 10"),
        ("sha256\n" + ("a" * 64 + "\n") * 3 + "zz\n", r"metadata\.csv:5: sha256 is 'zz'"),
    ],
)
def test_metadata_that_does_not_fit(write_maps, release_rows, text, message):
    maps = write_maps(release_rows)
    (maps / "test_metadata.csv").write_text(text)
    with pytest.raises(CorpusError, match=message):
        scan(maps)


@pytest.fixture
def metadata_of(write_maps, release_rows):
    """A function: maps, whose test metadata are made by a function of their text."""

    def make(change):
        maps = write_maps(release_rows)
        path = maps / "test_metadata.csv"
        content = change(path.read_text())
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return maps

    return make


def relabelled(text, line, label):
    lines = text.splitlines()
    lines[line - 1] = lines[line - 1].rsplit(",", 1)[0] + f",{label}"
    return "\n".join(lines)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.encode("utf-8-sig"),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\n\n") + "\n \n",
        lambda text: "\n" + text,
        lambda text: text.replace(",", ";"),
        lambda text: text.replace(",", "\t"),
        lambda text: text.replace("sha256,appeared", ' SHA256 ,"Appeared"'),
        lambda text: text.replace(",0\n", ",0.0\n").replace(",-1\n", ",\n"),
        lambda text: text.replace("2017-11", '"2017,11"'),
        lambda text: text.replace("2017-11", "2017\u202811"),
    ],
    ids=["mark", "CRLF", "blank", "blank first", ";", "tab", "names", "floats", "quoted", "U+2028"],
)
def test_harmless_oddities_of_metadata(metadata_of, release_rows, change):
    rows = scan(metadata_of(change))
    expected = [row["sha256"] for some in release_rows.values() for row in some]
    assert [row.digest.hex() for row in rows] == expected
    assert {row.appeared[:4] for row in rows} == {"2017"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.encode("utf-16"), r"csv: seems to be UTF-16; save it"),
        (lambda text: text.encode("utf-16-le"), r"csv: seems to be UTF-16; save it"),
        (
            lambda text: text.replace("2017-11", "D\xe9c", 3).encode("latin-1"),
            r"csv:2: is not UTF-8 \(byte 0xe9\); save it as CSV in UTF-8",
        ),
        (
            lambda text: relabelled(text, 7, 0),
            "csv:7: the label is 0 here and 1 in y_test.dat; .* 1 of 10",
        ),
        (
            lambda text: relabelled(relabelled(text, 4, 0), 2, 0),
            "csv:2: the label is 0 here and -1 in y_test.dat; .* in 2 of 10 rows",
        ),
        (lambda text: relabelled(text, 5, 3), "csv:5: label is '3'"),
        (lambda text: relabelled(text, 5, "maybe"), "csv:5: label is 'maybe'"),
        (lambda text: relabelled(text, 5, "1,2"), "csv:5: has 5 fields where line 1 names 4"),
        (lambda text: text.replace("appeared", "label"), "csv:1: the column label appears twice"),
        (lambda text: text[:200] + chr(0) + text[200:], "csv:[0-9]+: "),
        (lambda text: text + "x" * 200_000, "csv:12: malformed CSV: field larger"),
        (lambda text: "", "csv:1: has no column sha256"),
        (lambda text: text.replace("\n1,", "\n", 1), "csv:3: has 3 fields"),
    ],
)
def test_metadata_that_are_refused(metadata_of, change, message):
    with pytest.raises(CorpusError, match=f"test_metadata.{message}"):
        scan(metadata_of(change))


def test_all_labels_the_other_way_round(metadata_of):
    """Both files of another release: told by how many labels differ."""
    swap = {"0": "1", "1": "0", "-1": "-1", "label": "label"}
    maps = metadata_of(
        lambda text: "\n".join(
            f"{head},{swap[label]}" for head, label in (x.rsplit(",", 1) for x in text.splitlines())
        )
    )
    with pytest.raises(CorpusError, match="in 6 of 10 rows"):
        scan(maps)
