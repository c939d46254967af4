from __future__ import annotations

import json

import numpy as np
import pytest

from dokunuki.attacks.trigger import Trigger, read_trigger, trigger_feature, write_trigger
from dokunuki.corpus.layout import feature_layout
from dokunuki.errors import AttackError, DataFileError
from dokunuki.storage.files import read_json, write_json


@pytest.fixture
def trigger(layout):
    chosen = {"timestamp": 1.5e9, "avlength": np.float32(0.1), "has_debug": 1.0}
    return Trigger(
        attack="independent",
        columns=tuple(
            trigger_feature(layout, layout.index(name), value, {"sum_abs_shap": 3.25, "how": "x"})
            for name, value in chosen.items()
        ),
        label_flip=False,
        surrogate="embernn",
        seed=11,
        parameters={"region": "non_hashed"},
        layout=feature_layout(1),
        dataset="ember2017",
    )


@pytest.fixture
def edited(tmp_path, trigger):
    """A function: write the trigger with its content changed, as another version might have."""

    def edit(change):
        path = tmp_path / "trigger.json"
        write_trigger(path, trigger)
        content = read_json(path)
        change(content)
        write_json(path, content)
        return path

    return edit


def test_features_are_described_by_the_layout(layout, trigger):
    first, second, third = trigger.columns
    assert (first.name, first.group, first.kind) == ("timestamp", "header", "count")
    assert first.index == layout.index("timestamp")
    assert (second.group, second.kind) == ("strings", "real")
    assert (third.group, third.kind) == ("general", "flag")


def test_values_read_as_the_shortest_decimal_of_the_same_float32(trigger):
    assert trigger.columns[1].value == 0.1
    assert trigger.values.dtype == np.float32
    assert trigger.values[1] == np.float32(0.1)


def test_stamp_sets_only_the_trigger_columns_of_a_copy(trigger, layout, rng):
    X = rng.normal(size=(5, layout.width)).astype(np.float32)
    before = X.copy()
    stamped = trigger.stamp(X)
    others = np.setdiff1d(np.arange(layout.width), trigger.indices)
    assert np.array_equal(stamped[:, trigger.indices], np.tile(trigger.values, (5, 1)))
    assert np.array_equal(stamped[:, others], before[:, others])
    assert np.array_equal(X, before)
    assert stamped.dtype == np.float32


@pytest.mark.parametrize("shape", [(2, 2381), (2351,), (0, 5)])
def test_stamp_refuses_rows_of_another_version(trigger, shape):
    with pytest.raises(AttackError, match="2351 columns"):
        trigger.stamp(np.zeros(shape, dtype=np.float32))


def test_prefix_keeps_the_first_features_and_everything_else(trigger):
    short = trigger.prefix(2)
    assert short.size == 2
    assert short.columns == trigger.columns[:2]
    assert (short.attack, short.seed, short.dataset) == ("independent", 11, "ember2017")
    assert trigger.prefix(3) == trigger


@pytest.mark.parametrize("size", [0, -1, 4])
def test_prefix_refuses_sizes_it_does_not_have(trigger, size):
    with pytest.raises(AttackError, match="1 to 3"):
        trigger.prefix(size)


def test_round_trip_gives_the_same_trigger_and_equal_bytes(tmp_path, trigger):
    write_trigger(tmp_path / "a.json", trigger)
    write_trigger(tmp_path / "b.json", trigger)
    assert read_trigger(tmp_path / "a.json") == trigger
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_file_reads_well(tmp_path, trigger):
    write_trigger(tmp_path / "a.json", trigger)
    content = json.loads((tmp_path / "a.json").read_text())
    assert content["size"] == 3
    assert content["features"][1] == {
        "name": "avlength",
        "index": 513,
        "group": "strings",
        "kind": "real",
        "value": 0.1,
        "reason": {"sum_abs_shap": 3.25, "how": "x"},
    }


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda c: c["features"][1].update(index=514), r"features\[1\]: index 514"),
        (lambda c: c["features"][0].update(index=99999), r"features\[0\]: index 99999"),
        (lambda c: c["features"][0].update(group="general"), r"features\[0\]: group of timestamp"),
        (lambda c: c["features"][2].update(kind="count"), r"features\[2\]: kind of has_debug"),
        (lambda c: c["features"][0].update(value="many"), r"features\[0\]\.value"),
        (lambda c: c["features"][0].update(value=1e300), r"features\[0\]: value 1e\+300"),
        (lambda c: c["features"].append(c["features"][0]), "listed twice: timestamp"),
        (lambda c: c["features"].pop(), "size: says 3, but 2"),
        (lambda c: c["features"].clear(), "features"),
        (lambda c: c.pop("seed"), "top level: 'seed' is a required property"),
        (lambda c: c.update(feature_version=4), "feature_version: 4"),
        (lambda c: c.update(colour="red"), "colour"),
    ],
)
def test_reader_names_the_key_that_is_wrong(edited, change, named):
    path = edited(change)
    with pytest.raises(DataFileError, match=named) as caught:
        read_trigger(path)
    assert str(path) in str(caught.value)
    assert f"rebuild it: delete {path}" in str(caught.value)


def test_a_trigger_edited_by_hand_is_refused(tmp_path, trigger):
    path = tmp_path / "trigger.json"
    write_trigger(path, trigger)
    text = path.read_text()
    assert '"value": 0.1' in text
    path.write_text(text.replace('"value": 0.1', '"value": 0.2'))
    with pytest.raises(DataFileError, match=r"trigger\.json: damaged, .*edited.*write_trigger"):
        read_trigger(path)


def test_reader_refuses_a_missing_file(tmp_path):
    with pytest.raises(DataFileError, match="no such file"):
        read_trigger(tmp_path / "none.json")
