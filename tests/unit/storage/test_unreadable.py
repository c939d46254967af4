"""Whatever the system says of a file becomes a message with its name and the mend."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from dokunuki.corpus.sampling import read_split
from dokunuki.errors import DataFileError
from dokunuki.evaluation.tabular import TableSchema, read_table
from dokunuki.storage.arrays import open_arrays
from dokunuki.storage.files import read_json, sha256_of
from dokunuki.storage.seals import UNSEALED, check_seal, seal
from dokunuki.storage.tensors import read_tensors
from dokunuki.storage.yaml_text import load_yaml


def _open_arrays(path):
    with open_arrays(path):
        pass


READERS = {
    "sha256_of": sha256_of,
    "check_seal": check_seal,
    "read_json": read_json,
    "read_tensors": read_tensors,
    "open_arrays": _open_arrays,
    "read_split": read_split,
    "read_table": lambda path: read_table(path, TableSchema("metrics")),
}


def folder(path):
    path.mkdir()


def dangling(path):
    path.symlink_to("gone")


def circle(path):
    path.symlink_to(path)


def within_a_file(path):
    path.parent.rmdir()
    path.parent.write_bytes(b"a file in place of a folder")


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("place", [folder, dangling, circle, within_a_file])
def test_what_is_no_file(tmp_path, reader, place):
    path = tmp_path / "within" / "thing"
    path.parent.mkdir()
    place(path)
    with pytest.raises(DataFileError, match="thing: ") as caught:
        READERS[reader](path)
    assert "run the same command again" in str(caught.value) or "build it" in str(caught.value)


@pytest.mark.parametrize("reader", READERS)
def test_a_file_that_one_may_not_read(tmp_path, reader, monkeypatch):
    path = tmp_path / "thing"
    path.write_bytes(b"secret")
    opened = Path.open

    def refuse(self, *args, **kwargs):
        if self == path:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse)
    if reader == "read_table":  # opened by pandas
        monkeypatch.setattr("pandas.read_csv", lambda source, **_: refuse(source))
    with pytest.raises(DataFileError, match=r"thing: cannot be read \(Permission denied\);"):
        READERS[reader](path)


@pytest.mark.parametrize("reader", ["read_json", "read_split", "read_table"])
@pytest.mark.parametrize("content", ["Déc".encode("latin-1"), "a,b".encode("utf-16"), bytes(9)])
def test_a_text_that_is_not_utf8(tmp_path, reader, content):
    path = tmp_path / "thing"
    path.write_bytes(content)
    with pytest.raises(DataFileError, match="thing"):
        READERS[reader](path)


def test_what_is_nested_deep_is_told(tmp_path):
    path = tmp_path / "deep.json"
    path.write_text(f'{{"checksum": "{UNSEALED}", "a": {"[" * 50_000}{"]" * 50_000}}}')
    seal(path)
    with pytest.raises(DataFileError, match="not written by this version"):
        read_json(path)
    with pytest.raises(yaml.YAMLError, match="nested too deeply"):
        load_yaml("[" * 500_000 + "]" * 500_000)


def test_yaml_that_stands_for_more_than_memory_holds_is_told():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(yaml.YAMLError, match="too many repeated nodes"):
        load_yaml("\n".join(lines))
    assert load_yaml("a: &a {b: 1}\nc: *a\n") == {"a": {"b": 1}, "c": {"b": 1}}
