from __future__ import annotations

import numpy as np
import pytest

from dokunuki.errors import DataFileError
from dokunuki.storage.arrays import open_arrays, read_array, read_attributes, write_arrays
from dokunuki.victims.scores import (
    EvasionKey,
    Scores,
    empty_scores,
    read_evasion,
    read_scores,
    write_evasion,
    write_scores,
)


def make_scores(**changes):
    content = {
        "status": "ok",
        "test_labels": np.array([0, 0, 1, 1]),
        "test": [0.1, 0.5, 0.9, 0.2],
        "validation": [0.9, 0.8, 0.3],
        "triggered": [0.4, 0.6, 0.2],
        "train_rows": 100,
        "poison_rows": 1,
        "device": "cpu",
        "detail": "",
    }
    return Scores(**(content | changes))


def test_a_round_trip_gives_the_same_scores_and_dtypes(tmp_path):
    scores = make_scores()
    write_scores(tmp_path / "scores.h5", scores)
    back = read_scores(tmp_path / "scores.h5")
    for name in ("test_labels", "test", "validation", "triggered"):
        np.testing.assert_array_equal(getattr(back, name), getattr(scores, name))
    assert back.test_labels.dtype == np.int8
    assert back.test.dtype == back.triggered.dtype == np.float32
    assert (back.status, back.train_rows, back.poison_rows) == ("ok", 100, 1)
    assert (back.device, back.detail) == ("cpu", "")


def test_what_only_some_cells_have_survives_and_is_absent_elsewhere(tmp_path):
    plain, full = tmp_path / "plain.h5", tmp_path / "full.h5"
    write_scores(plain, make_scores())
    with open_arrays(plain) as file:
        assert set(file) == {"test_labels", "test", "validation", "triggered"}
        assert "poison_removed" not in read_attributes(file)
    assert read_scores(plain).poison_removed is None
    optional = {
        "calibration": [0.25, 0.75],
        "calibration_labels": [0, 1],
        "calibration_sha256": "ab",
        "flipped_rows": 1,
        "poison_removed": 0,
        "goodware_removed": 2,
        "malware_removed": 0,
        "goodware_rows": 50,
        "certificate": "rows",
        "test_radius": [1, 0, 2, 3],
    }
    write_scores(full, make_scores(**optional))
    back = read_scores(full)
    for name, value in optional.items():
        np.testing.assert_array_equal(getattr(back, name), value)
    assert (back.calibration_labels.dtype, back.test_radius.dtype) == (np.int8, np.int32)


def test_evasion_scores_are_found_by_detector_and_size(tmp_path):
    path = tmp_path / "evasion.h5"
    key = EvasionKey("ae", "embernn", 8)
    diverged = key._replace(defence="none")
    write_evasion(path, {key: np.array([0.25, 0.5]), diverged: empty_scores()})
    np.testing.assert_array_equal(read_evasion(path, key), np.float32([0.25, 0.5]))
    assert len(read_evasion(path, diverged)) == 0
    with pytest.raises(DataFileError, match="has no dataset 'ae/embernn/9'"):
        read_evasion(path, key._replace(size=9))


def test_a_diverged_cell_needs_no_scores(tmp_path):
    empty = empty_scores()
    scores = Scores("diverged", empty, empty, empty, empty, 100, 0, "cpu", "epoch 2: nan")
    write_scores(tmp_path / "scores.h5", scores)
    back = read_scores(tmp_path / "scores.h5")
    assert (back.status, back.detail, len(back.test)) == ("diverged", "epoch 2: nan", 0)


def test_equal_scores_give_equal_bytes(tmp_path):
    for name in ("a.h5", "b.h5"):
        write_scores(tmp_path / name, make_scores())
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"status": "fine"}, "status is 'fine'"),
        ({"test": [0.1]}, "4 test labels for 1 scores"),
        ({"test_labels": [0, 0, 1, 2]}, "labels other than 0 and 1"),
        ({"test_labels": [0, 0, 1, -1]}, "labels other than 0 and 1"),
        ({"triggered": [0.1]}, "1 scores in triggered for 3 validation rows"),
        ({"validation": [0.1, 0.2, 1.5]}, "validation holds scores"),
        ({"test": [0.1, 0.2, np.nan, 0.1]}, "test holds scores"),
        ({"poison_rows": 101}, "101 poison rows do not fit"),
        ({"calibration": [0.1]}, "0 labels for 1 scores of calibration rows"),
        ({"calibration": [1.5], "calibration_labels": [0]}, "calibration holds scores"),
        ({"poison_removed": 1}, "a filter that removed 1 of 1 poison rows, None of None"),
        (
            {"poison_removed": 2, "goodware_removed": 0, "malware_removed": 0, "goodware_rows": 50},
            "removed 2 of 1 poison rows",
        ),
        ({"certificate": "labels", "test_radius": [1, 1, 1, 1]}, "certificate is 'labels'"),
        ({"certificate": "rows", "test_radius": [1]}, "1 radii of certificate 'rows' for 4"),
        ({"test_radius": [1, 1, 1, 1]}, "4 radii of certificate '' for 4"),
        ({"certificate": "rows", "test_radius": [1, -1, 1, 1]}, "negative radii"),
    ],
)
def test_scores_that_contradict_themselves_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        make_scores(**changes)


def test_files_that_are_no_scores_name_the_file(tmp_path):
    with pytest.raises(DataFileError, match=r"nothing\.h5: no such file"):
        read_scores(tmp_path / "nothing.h5")
    path = tmp_path / "scores.h5"
    write_scores(path, make_scores())
    with open_arrays(path) as file:
        arrays = {name: read_array(file, name) for name in file}
        attributes = read_attributes(file)
    write_arrays(path, {**arrays, "test": [0.1, 7.0, 0.1, 0.1]}, attributes)
    with pytest.raises(DataFileError, match=r"scores\.h5: test holds scores"):
        read_scores(path)
    del attributes["device"]
    write_arrays(path, arrays, attributes)
    with pytest.raises(DataFileError, match=r"scores\.h5: has no attribute 'device'"):
        read_scores(path)
