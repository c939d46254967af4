from __future__ import annotations

import pytest
import yaml

from dokunuki.corpus.own_layout import read_layout
from dokunuki.errors import ConfigError
from dokunuki.storage.yaml_text import KeyTwiceError, load_yaml
from dokunuki.study.catalogue import read_yaml
from dokunuki.study.configuration import check_files


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: 2\na: 1\n", 3),
        ("top:\n  a: 1\n  a: 2\n", 3),
        ("- {a: 1, b: 2, a: 3}\n", 1),
        ('{"a": 1,\n "a": 2}', 2),
        ("a: 1\n'a': 1\n", 2),
        ("1: x\n1: y\n", 2),
    ],
)
def test_a_key_that_stands_twice(tmp_path, text, line):
    with pytest.raises(KeyTwiceError):
        load_yaml(text)
    path = tmp_path / "config.yaml"
    path.write_text(text)
    for reader in (read_yaml, lambda path: check_files([path]), read_layout):
        with pytest.raises(ConfigError, match=r"(?s)config\.yaml.*appears twice") as caught:
            reader(path)
        assert f"line {line}" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "a: {b: 1}\nb: {b: 1}\n",
        "1: x\n'1': y\n",
        "base: &x {a: 1, b: 2}\nmore: {<<: *x, a: 3}\n",
        "[a, a]",
        "",
        "\ufeffa: 1\n",
    ],
)
def test_what_is_no_key_twice(tmp_path, text):
    assert load_yaml(text) == yaml.safe_load(text)
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    check_files([tmp_path / "config.yaml"])


def test_files_that_are_not_for_this_check(tmp_path):
    """Snakemake has its own words for them."""
    (tmp_path / "broken.yaml").write_text("a: [")
    (tmp_path / "latin.yaml").write_bytes(b"a: D\xe9c")
    check_files(
        [tmp_path / "gone.yaml", tmp_path, tmp_path / "broken.yaml", tmp_path / "latin.yaml"]
    )
