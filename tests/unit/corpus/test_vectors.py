from __future__ import annotations

import dataclasses

import h5py
import numpy as np
import pytest

from dokunuki.corpus.index import build_index
from dokunuki.corpus.layout import feature_layout
from dokunuki.corpus.release import open_release
from dokunuki.corpus.sampling import draw_sample
from dokunuki.corpus.vectors import Vectors, read_vectors, vectorise_split, write_vectors
from dokunuki.errors import ConfigError, CorpusError, DataFileError
from dokunuki.storage.arrays import open_arrays, read_array, read_attributes, write_arrays
from dokunuki.storage.matrix import StoredMatrix


@pytest.fixture
def sampled(write_folder, release_rows):
    release = open_release(write_folder(release_rows), 1)
    index, _ = build_index(release)
    return release, index, draw_sample(index, 12, 1 / 3, 3, seed=2)


@pytest.fixture
def vectors(sampled):
    return vectorise_split(*sampled, dataset="small")


def test_sample_rows_equal_the_reference(sample_folder):
    release = open_release(sample_folder, 1)
    index, _ = build_index(release)
    split = draw_sample(index, 500, 0.2, 100, seed=3)
    vectors = vectorise_split(release, index, split, dataset="sample")
    with np.load(sample_folder / "reference_vectors.npz") as reference:
        row_of = {sha256: row for row, sha256 in enumerate(reference["sha256"].tolist())}
        rows = [row_of[sha256] for sha256 in vectors.sha256.tolist()]
        np.testing.assert_array_equal(vectors.X, reference["X"][rows])
        np.testing.assert_array_equal(vectors.y, reference["y"][rows])
    assert len(set(rows)) == 600


def test_rows_stand_as_in_the_split(sampled, vectors, release_rows):
    _, _, split = sampled
    sizes = {
        row["sha256"]: row["general"]["size"] for rows in release_rows.values() for row in rows
    }
    column = vectors.layout.index("size")
    assert vectors.X[:, column].tolist() == [sizes[sha256] for sha256 in split.sha256.tolist()]


def test_parts(vectors):
    shapes = {role: vectors.part(role)[0].shape for role in ("train", "test", "validation")}
    assert shapes == {"train": (8, 2351), "test": (4, 2351), "validation": (3, 2351)}
    assert vectors.part("validation")[1].tolist() == vectors.labels("validation").tolist()
    assert vectors.labels("validation").tolist() == [1, 1, 1]
    with pytest.raises(ConfigError, match="unknown role 'tests'"):
        vectors.part("tests")


@pytest.mark.parametrize("name", ["dokunuki", "ember"])
def test_vectorisers_by_name(sampled, vectors, name):
    if name == "ember":
        pytest.importorskip("ember", exc_type=ImportError)
    again = vectorise_split(*sampled, vectoriser=name, dataset="small")
    np.testing.assert_array_equal(again.X, vectors.X)


def test_an_unknown_vectoriser(sampled):
    with pytest.raises(ConfigError, match=r"corpus\.vectoriser: unknown 'lief'"):
        vectorise_split(*sampled, vectoriser="lief", dataset="small")


def test_a_split_of_another_index(sampled):
    release, index, split = sampled
    other = dataclasses.replace(split, sha256=split.sha256[::-1])
    with pytest.raises(DataFileError, match="drawn from another index"):
        vectorise_split(release, index, other, dataset="small")


def test_a_release_that_gives_too_few_rows(sampled):
    release, index, split = sampled

    class Short:
        path, version, features = release.path, 1, feature_layout(1)

        def vectors(self, locations, vectorise):
            return iter(())

    with pytest.raises(DataFileError, match="gave 0 of the 15 rows"):
        vectorise_split(Short(), index, split, dataset="small")


def test_vectors_survive_their_file(vectors, tmp_path):
    path = tmp_path / "vectors.h5"
    write_vectors(path, vectors)
    again = read_vectors(path)
    for name in ("X", "y", "sha256", "appeared", "role"):
        np.testing.assert_array_equal(getattr(again, name), getattr(vectors, name))
        assert getattr(again, name).dtype == getattr(vectors, name).dtype
    for role in ("train", "test", "validation"):
        left_in_file, labels = again.rows(role), again.labels(role)
        assert isinstance(left_in_file, StoredMatrix)
        for mine, theirs in zip(again.part(role), vectors.part(role), strict=True):
            np.testing.assert_array_equal(mine, theirs)
        np.testing.assert_array_equal(left_in_file, vectors.rows(role))
        np.testing.assert_array_equal(labels, vectors.labels(role))
    assert (again.layout.version, again.dataset, again.corpus) == (1, "small", "ember")
    with h5py.File(path) as file:
        assert file["columns"].asstr()[:].tolist() == list(feature_layout(1).names)
    first = path.read_bytes()
    write_vectors(path, vectors)
    assert path.read_bytes() == first


def test_columns_of_another_layout_are_refused(vectors, tmp_path):
    path = tmp_path / "vectors.h5"
    write_vectors(path, vectors)
    with open_arrays(path) as file:
        arrays = {name: read_array(file, name) for name in file}
        attributes = read_attributes(file)
    arrays["columns"][0] = "histogram_xx"
    write_arrays(path, arrays, attributes)
    with pytest.raises(DataFileError, match="not those of feature version 1"):
        read_vectors(path)


def test_contradictions_are_refused(vectors):
    with pytest.raises(DataFileError, match="not of feature version 2"):
        dataclasses.replace(vectors, layout=feature_layout(2))
    with pytest.raises(DataFileError, match=r"15 vectors with y of shape \(14,\)"):
        dataclasses.replace(vectors, y=vectors.y[1:])


def test_version_2(write_folder, make_row):
    rows = [make_row(n, n % 2, version=2) for n in range(12)]
    release = open_release(write_folder({"test_features.jsonl": rows}), 2)
    index, _ = build_index(release)
    vectors = vectorise_split(
        release, index, draw_sample(index, 8, 0.5, 1, seed=0), dataset="second"
    )
    assert isinstance(vectors, Vectors)
    assert vectors.X.shape == (9, 2381)


def test_a_damaged_row_found_late(sampled):
    release, index, split = sampled
    file = release.path / "train_features_0.jsonl"
    file.write_bytes(file.read_bytes().replace(b'"avlength": 8', b'"avlength": 9'))
    with pytest.raises(CorpusError, match=r"train_features_0\.jsonl:\d+: .*or is damaged"):
        vectorise_split(release, index, split, dataset="small")


def test_an_index_of_another_version_is_refused(sampled):
    release, index, split = sampled
    with pytest.raises(DataFileError, match="the index is of feature version 2"):
        vectorise_split(release, dataclasses.replace(index, version=2), split, dataset="small")
