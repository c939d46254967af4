from __future__ import annotations

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


def test_a_vector_that_is_not_finite(write_maps, release_rows):
    maps = write_maps(release_rows)
    X = np.fromfile(maps / "X_test.dat", dtype=np.float32).reshape(10, 2351)
    X[4, 0] = np.nan
    X.tofile(maps / "X_test.dat")
    release = open_release(maps, 1)
    index, _ = build_index(release)
    with pytest.raises(CorpusError, match=r"X_test\.dat:5: histogram_00 is nan"):
        list(release.vectors(index.locations(range(30)), None))


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
        ("sha256\n" + "a" * 64 + "\n", "describes 1 rows, X_test.dat has 10"),
        ("sha256\n" + ("a" * 64 + "\n") * 3 + "zz\n", r"metadata\.csv:5: sha256 is 'zz'"),
    ],
)
def test_metadata_that_does_not_fit(write_maps, release_rows, text, message):
    maps = write_maps(release_rows)
    (maps / "test_metadata.csv").write_text(text)
    with pytest.raises(CorpusError, match=message):
        scan(maps)
