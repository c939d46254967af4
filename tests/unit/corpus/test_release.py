from __future__ import annotations

import numpy as np
import pytest

from dokunuki.corpus.index import build_index
from dokunuki.corpus.release import open_release, release_files
from dokunuki.corpus.sampling import draw_sample
from dokunuki.corpus.vectors import vectorise_split
from dokunuki.errors import CorpusError


def test_files_of_a_folder_stand_in_order(write_folder, release_rows, make_row):
    folder = write_folder({**release_rows, "train_features_10.jsonl": [make_row(99)]})
    (folder / "notes.txt").write_text("not a raw file")
    assert [file.name for file in release_files(folder)] == [
        "train_features_0.jsonl",
        "train_features_1.jsonl",
        "train_features_10.jsonl",
        "test_features.jsonl",
    ]


def test_files_of_the_other_layouts(write_archive, write_maps, release_rows):
    archive, maps = write_archive(release_rows), write_maps(release_rows)
    assert release_files(str(archive)) == [archive]
    assert [file.name for file in release_files(maps)] == [
        "X_train.dat",
        "y_train.dat",
        "train_metadata.csv",
        "X_test.dat",
        "y_test.dat",
        "test_metadata.csv",
    ]


def test_raw_features_are_preferred_to_maps(write_folder, write_maps, release_rows):
    maps = write_maps(release_rows, name="ember")
    write_folder(release_rows)
    assert all(file.suffix == ".jsonl" for file in release_files(maps))


def test_a_missing_path(tmp_path):
    with pytest.raises(CorpusError, match="gone: no such file or folder; give the dataset's path"):
        release_files(tmp_path / "gone")


def test_an_empty_folder(tmp_path):
    with pytest.raises(CorpusError, match="the folder is empty"):
        release_files(tmp_path)


def test_an_unknown_layout(tmp_path):
    (tmp_path / "rows.csv").write_text("")
    for path in (tmp_path, tmp_path / "rows.csv"):
        with pytest.raises(CorpusError, match="a release is a folder of train_features"):
            release_files(path)


def test_the_folder_above_a_release_names_the_right_one(write_folder, release_rows, tmp_path):
    folder = write_folder(release_rows)
    with pytest.raises(CorpusError, match=f"did you mean {folder}"):
        release_files(tmp_path)


def test_maps_without_labels(write_maps, release_rows):
    maps = write_maps(release_rows)
    (maps / "y_test.dat").unlink()
    with pytest.raises(CorpusError, match=r"y_test\.dat: no such file"):
        release_files(maps)


def sampled(path):
    release = open_release(path, 1)
    index, report = build_index(release)
    split = draw_sample(index, rows=12, test_share=1 / 3, validation_malware=2, seed=7)
    return index, report, split, vectorise_split(release, index, split, dataset="d")


def test_three_layouts_of_one_release_give_the_same_vectors(
    write_folder, write_archive, write_maps, release_rows
):
    backwards = dict(reversed(release_rows.items()))
    paths = (
        write_folder(release_rows),
        write_archive(release_rows),
        write_archive(backwards, "backwards.tar.bz2"),
        write_maps(release_rows),
    )
    (index, report, split, vectors), *others = [sampled(path) for path in paths]
    assert report["rows"] == {"usable": 30, "goodware": 10, "malware": 10, "unlabelled": 10}
    for other_index, other_report, other_split, other_vectors in others:
        np.testing.assert_array_equal(index.digest, other_index.digest)
        assert report["rows"] == other_report["rows"]
        np.testing.assert_array_equal(split.positions, other_split.positions)
        for name in ("X", "y", "sha256", "appeared", "role"):
            np.testing.assert_array_equal(getattr(vectors, name), getattr(other_vectors, name))
    assert (others[0][2].line == split.line).all()
    assert (others[0][2].file == split.file).all()


def test_the_bar_reaches_its_end(write_folder, write_archive, write_maps, release_rows):
    for path in (write_folder(release_rows), write_archive(release_rows), write_maps(release_rows)):
        release = open_release(path, 1)
        assert len(list(release.scan())) == 30
        assert release.bytes_done == release.total_bytes > 0


def test_the_home_of_nobody():
    with pytest.raises(CorpusError, match=r"~no-such-user/ember: .*write the path out"):
        release_files("~no-such-user/ember")
