"""One flipped bit or a cut, anywhere in a file: it is noticed, or what is read is the same."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier

from dokunuki.attacks.trigger import Trigger, read_trigger, trigger_feature, write_trigger
from dokunuki.corpus.index import build_index
from dokunuki.corpus.layout import feature_layout
from dokunuki.corpus.release import open_release
from dokunuki.corpus.sampling import Split, read_split, write_split
from dokunuki.defences.deletion import Deletion
from dokunuki.detector import Detector
from dokunuki.errors import DokunukiError
from dokunuki.storage.arrays import open_arrays, read_array, read_attributes, write_arrays
from dokunuki.storage.tensors import read_tensors, write_tensors
from dokunuki.victims.cost import Cost, read_cost, write_cost

LAYOUT = feature_layout(1)


def _write_arrays(path):
    arrays = {
        "chunked": np.arange(300.0).reshape(100, 3),
        "scalar": np.float32(2.5),
        "empty": np.empty(0),
        "names": np.array(["a", "毒"]),
    }
    write_arrays(path, arrays, {"rows": 100, "status": "ok", "share": 0.5})


def _read_arrays(path):
    with open_arrays(path) as file:
        content = {name: read_array(file, name).tolist() for name in file}
        return content | read_attributes(file)


def _write_tensors(path):
    arrays = {"weights": np.arange(12, dtype=np.float32).reshape(3, 4), "count": np.array(3)}
    write_tensors(path, arrays, {"class": "some.Class", "parameters": {"rate": 0.1}})


def _read_tensors(path):
    arrays, settings = read_tensors(path)
    return {name: (array.dtype, array.tolist()) for name, array in arrays.items()}, settings


def _write_trigger(path):
    columns = tuple(
        trigger_feature(LAYOUT, LAYOUT.index(name), value, {"rarity": 0.25})
        for name, value in (("timestamp", 1.5e9), ("avlength", 0.1))
    )
    write_trigger(path, Trigger("greedy", columns, False, "embernn", 1, {"region": "all"}, LAYOUT))


def _write_split(path):
    text, number, label = np.array(["a", "b"]), np.array([3, 5]), np.array([0, 1])
    write_split(
        path,
        Split(number, text, label, text, np.repeat("train", 2), text, number, text, text, text),
    )


def _read_split(path):
    return {name: values.tolist() for name, values in vars(read_split(path)).items()}


# name: writer, reader, and the files whose damage is tried
FORMATS = {
    "arrays.h5": (_write_arrays, _read_arrays, ("arrays.h5",)),
    "part.safetensors": (_write_tensors, _read_tensors, ("part.safetensors",)),
    "trigger.json": (_write_trigger, read_trigger, ("trigger.json",)),
    "cost.json": (
        lambda path: write_cost(path, Cost(1.5, 20.0, 0.25, 812.5, "cpu", 2)),
        read_cost,
        ("cost.json",),
    ),
    "split.csv": (_write_split, _read_split, ("split.csv", "split.csv.sha256")),
}


def _age(path):
    """A sound HDF5 file is not hashed again while its time stands: let no tick hide the damage."""
    os.utime(path, (0, 0))


def _outcome(read, path):
    """What is read, or the error's message."""
    try:
        return read(path)
    except DokunukiError as error:
        return str(error)


@pytest.mark.parametrize("name", FORMATS)
def test_every_flipped_bit_is_noticed_or_harmless(tmp_path, name, rng):
    write, read, files = FORMATS[name]
    write(tmp_path / name)
    _age(tmp_path / name)
    sound = read(tmp_path / name)
    noticed = 0
    for file in files:
        content = (tmp_path / file).read_bytes()
        # Every byte of a small file, a sample of a larger one; the bits by turns.
        positions = rng.permutation(len(content))[:500]
        for turn, position in enumerate(positions.tolist()):
            damaged = bytearray(content)
            damaged[position] ^= 1 << turn % 8
            (tmp_path / file).write_bytes(damaged)
            outcome = _outcome(read, tmp_path / name)
            if outcome != sound:
                assert outcome.startswith(f"{tmp_path / name}: "), (file, position, turn % 8)
                noticed += 1
        (tmp_path / file).write_bytes(content)
    assert noticed > 100
    assert read(tmp_path / name) == sound


@pytest.mark.parametrize("name", FORMATS)
def test_every_cut_is_noticed_or_harmless(tmp_path, name, rng):
    write, read, files = FORMATS[name]
    write(tmp_path / name)
    _age(tmp_path / name)
    sound = read(tmp_path / name)
    content = (tmp_path / files[0]).read_bytes()
    lengths = [0, 1, 511, 512, 513, *rng.integers(0, len(content), 200).tolist()]
    for length in lengths:
        (tmp_path / name).write_bytes(content[:length])
        outcome = _outcome(read, tmp_path / name)
        # Only a JSON file's last line end can go unmissed.
        whole = length >= len(content) or (name.endswith(".json") and length == len(content) - 1)
        assert outcome == sound if whole else outcome.startswith(f"{tmp_path / name}: "), length


def test_a_flipped_bit_in_a_raw_row_is_noticed_after_the_scan(tmp_path, tiny_release, rng):
    row = (tiny_release / "train_features_0.jsonl").read_bytes().splitlines(keepends=True)[0]
    file = tmp_path / "test_features.jsonl"
    file.write_bytes(row)
    release = open_release(tmp_path, 1)
    index, _ = build_index(release)
    [(_, sound)] = release.read(index.locations([0]))
    assert sound == json.loads(row)
    for turn, position in enumerate(rng.permutation(len(row))[:300].tolist()):
        damaged = bytearray(row)
        damaged[position] ^= 1 << turn % 8
        file.write_bytes(damaged)
        with pytest.raises(DokunukiError, match=r"test_features\.jsonl:1: .*run the same command"):
            list(release.read(index.locations([0])))


def test_every_file_of_a_detector_is_covered_and_the_folder_is_what_to_rebuild(tmp_path, rng):
    X = rng.random((20, LAYOUT.width), dtype=np.float32)
    folder = tmp_path / "detector"
    Detector([Deletion(LAYOUT)], DecisionTreeClassifier()).fit(X, np.arange(20) % 2).save(folder)
    sound = Detector.load(folder).malware_scores(X).tolist()
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == [
        "classifier.skops",
        "classifier.skops.sha256",
        "detector.json",
        "scaler.safetensors",
        "transformer-1.safetensors",
    ]
    for file in files:
        content = file.read_bytes()
        for turn, position in enumerate(rng.permutation(len(content))[:30].tolist()):
            damaged = bytearray(content)
            damaged[position] ^= 1 << turn % 8
            file.write_bytes(damaged)
            outcome = _outcome(lambda path: Detector.load(path).malware_scores(X).tolist(), folder)
            if outcome != sound:
                # A checksum that was damaged is told of the file beside it.
                assert outcome.startswith(f"{str(file).removesuffix('.sha256')}: ")
                assert f"delete {folder} and run the same command again" in outcome
        file.write_bytes(content)
    assert Detector.load(folder).malware_scores(X).tolist() == sound
