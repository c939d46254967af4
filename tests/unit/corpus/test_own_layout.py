"""Layouts of the user's own features: both forms of the file, their faults, and what uses them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dokunuki.attacks.trigger import Trigger, read_trigger, trigger_feature, write_trigger
from dokunuki.corpus.layout import feature_layout
from dokunuki.corpus.layout_record import layout_from_record, layout_record
from dokunuki.corpus.own_layout import read_layout
from dokunuki.corpus.vectors import Vectors, read_vectors, write_vectors
from dokunuki.defences.deletion import Deletion
from dokunuki.errors import ConfigError, DataFileError

YAML = """
name: in-house
groups:
  bytes: {width: 3, kind: real, attackable: false}
  header: {columns: {size: count, entropy: real, has_tls: flag}}
  sections: {columns: [num_sections, num_writable], kind: count}
  imports: {width: 2, kind: hash}
feasible: [size, num_sections]
"""
NAMES = (
    *(f"bytes_{n}" for n in range(3)),
    *("size", "entropy", "has_tls", "num_sections", "num_writable", "imports_0", "imports_1"),
)


def written(path, text):
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def layout(tmp_path):
    return read_layout(written(tmp_path / "layout.yaml", YAML))


def test_groups_kinds_and_regions_are_as_the_file_says(layout):
    assert (layout.name, layout.version, layout.names) == ("in-house", None, NAMES)
    assert layout.kinds[3:6] == ("count", "real", "flag")
    assert layout.groups["sections"] == slice(6, 8)
    assert layout.undefended.tolist() == [0, 1, 2]
    assert layout.attackable.tolist() == list(range(3, 10))
    assert layout.non_hashed.tolist() == list(range(3, 8))
    assert layout.feasible.tolist() == [3, 6]


def test_csv_says_the_same(tmp_path):
    text = (
        "\ufeffName,Kind,Group,Attackable,Feasible\r\n"
        "byte,real,bytes,false,\r\nsize,count,header,,true\r\nhash_0,hash,,true,no\r\n"
    )
    layout = read_layout(written(tmp_path / "mine.csv", text))
    assert (layout.name, layout.names) == ("mine", ("byte", "size", "hash_0"))
    assert layout.undefended.tolist() == [0]
    assert layout.feasible.tolist() == layout.non_hashed.tolist() == [1]
    assert layout.group_of(2) == "features"


@pytest.mark.parametrize("layout_of", [lambda own: own, lambda _: feature_layout(3)])
def test_a_record_is_json_and_gives_the_layout_back(layout, layout_of):
    described = layout_of(layout)
    record = json.loads(json.dumps(layout_record(described), sort_keys=True))
    assert layout_from_record(record) == described


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.yaml", "groups: {a: {width: 2}}", r"groups\.a\.kind: is missing"),
        ("a.yaml", "groups: {a: {kind: real}}", r"groups\.a: needs either columns or width"),
        ("a.yaml", "groups: {a: {width: 2, kind: number}}", r"groups\.a\.kind: 'number' is not"),
        ("a.yaml", "groups: {}", "groups:"),
        ("a.yaml", "width: 40", "top level: "),
        ("a.yaml", "groups: {a: {columns: [x, x], kind: real}}", "x is listed twice"),
        (
            "a.yaml",
            "groups: {a: {columns: [x], kind: real}, b: {columns: [x], kind: real}}",
            "x is listed twice",
        ),
        ("a.yaml", "groups: {a: {width: 1, kind: real}}\nfeasible: [z]", "no group has .* 'z'"),
        ("a.yaml", "groups: {a: {width: 1, kind: real, attackable: false}}", "nothing to attack"),
        (
            "a.yaml",
            "groups: {a: {width: 1, kind: real}}\nfeasible: [a_0]\nunattackable: [a_0]",
            "nothing to attack",
        ),
        (
            "a.yaml",
            "groups: {a: {columns: {x: count}, kind: real}}",
            r"groups\.a\.kind: each of its columns has a kind",
        ),
        ("a.yaml", "groups: [", "is not valid YAML"),
        ("a.csv", "name,type\nx,real\n", "line 1: the columns are name, type"),
        ("a.csv", "name,kind\nx,int\n", "line 2: column 'x' of kind 'int'"),
        ("a.csv", "name,kind,attackable\nx,real,maybe\n", "line 2: attackable is 'maybe'"),
        ("a.csv", "name,kind\n", "names no column"),
        (
            "a.csv",
            "name,kind,group\nx,real,a\ny,real,b\nz,real,a\n",
            "columns of group a are not next to each other",
        ),
        (
            "a.csv",
            "name,kind,attackable,feasible\nx,real,no,yes\ny,real,,\n",
            "column x is feasible but not attackable",
        ),
    ],
)
def test_a_fault_names_the_file_and_the_key(tmp_path, name, text, message):
    path = written(tmp_path / name, text)
    with pytest.raises(ConfigError, match=message) as caught:
        read_layout(path)
    assert str(path) in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "a.yaml").write_bytes("name: é".encode("utf-16"))
    for path in (tmp_path / "a.yaml", tmp_path / "none.yaml", tmp_path):
        with pytest.raises(ConfigError, match="cannot be read"):
            read_layout(path)


def test_no_feasible_columns_is_said(tmp_path):
    layout = read_layout(written(tmp_path / "a.yaml", "groups: {a: {width: 2, kind: real}}"))
    with pytest.raises(ConfigError, match="a names no feasible columns"):
        layout.columns("feasible")


def test_deletion_needs_a_column_that_stays(tmp_path, layout):
    X = np.arange(20.0, dtype=np.float32).reshape(2, 10)
    assert Deletion(layout).fit(X).transform(X).tolist() == X[:, :3].tolist()
    whole = read_layout(written(tmp_path / "a.yaml", "groups: {a: {width: 2, kind: real}}"))
    with pytest.raises(ConfigError, match="leaves no column of a"):
        Deletion(whole).fit(X[:, :2])


def test_vectors_and_parts_carry_the_layout(tmp_path, layout):
    text = np.array(["a", "b"])
    X = np.arange(20.0, dtype=np.float32).reshape(2, 10)
    y, role = np.int8([0, 1]), np.array(["train", "test"])
    write_vectors(tmp_path / "v.h5", Vectors(X, y, text, text, role, layout, "toy", "rows"))
    assert read_vectors(tmp_path / "v.h5").layout == layout
    Deletion(layout).save(tmp_path / "deletion.safetensors")
    assert Deletion.load(tmp_path / "deletion.safetensors").layout == layout


def test_a_trigger_is_read_with_its_layout(tmp_path, layout):
    feature = trigger_feature(layout, layout.index("entropy"), 7.5, {})
    trigger = Trigger("toy", (feature,), False, "toy", 0, {}, layout)
    path = tmp_path / "trigger.json"
    write_trigger(path, trigger)
    assert read_trigger(path, layout) == trigger
    with pytest.raises(DataFileError, match="'in-house', which must be given"):
        read_trigger(path)
    with pytest.raises(
        DataFileError, match="sets features of in-house, but the rows are of feature version"
    ):
        read_trigger(path, feature_layout(1))


@pytest.mark.parametrize("widths", [[10**18], [150_000, 150_000]])
def test_a_width_of_many_digits_takes_no_memory(tmp_path, widths):
    groups = [f"g{n}: {{width: {width}, kind: real}}" for n, width in enumerate(widths)]
    path = tmp_path / "layout.yaml"
    path.write_text(f"groups: {{{', '.join(groups)}}}")
    with pytest.raises(ConfigError, match="200000"):
        read_layout(path)
