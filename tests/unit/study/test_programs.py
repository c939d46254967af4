"""Datasets of kind programs in the configuration, and what makes the extraction run again."""

from __future__ import annotations

import os

import pytest

from dokunuki.errors import ConfigError, CorpusError
from dokunuki.study import programs, specs


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "programs"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.exe").write_bytes(b"MZ")
    (folder / "sub" / "b.exe").write_bytes(b"MZ2")
    (tmp_path / "labels.csv").write_text("path,label\na.exe,0\n")
    return folder


@pytest.fixture
def with_programs(configured, folder):
    """A function: the configuration with a dataset `mine` of these programs, and changes to it."""

    def load(**changes):
        labels = folder.parent / "labels.csv"
        entry = {"kind": "programs", "path": str(folder), "labels": str(labels), **changes}
        return configured(datasets={"mine": entry}, grid={"datasets": ["mine"]})

    return load


def test_programs_are_extracted_into_a_release_of_their_dataset(with_programs):
    config = with_programs(version=2)
    assert specs.release_path(config, "mine") == "results/mine/programs"
    assert specs.corpus_rows(config, "mine") == 2
    assert "sizes" not in specs.corpus_spec(config, "mine")
    spec = programs.extraction_spec(config, "mine")
    assert (spec["version"], spec["max_bytes"], spec["max_seconds"]) == (2, 104857600, 60)


@pytest.mark.parametrize("key", ["path", "labels"])
def test_folder_and_labels_must_be_given(with_programs, key):
    with pytest.raises(ConfigError, match=rf"datasets\.mine\.{key}: no .* is given"):
        with_programs(**{key: None})


def test_version_3_is_refused_with_what_reads_it(with_programs):
    with pytest.raises(ConfigError, match=r"datasets\.mine\.version: .*not 3; .*kind: ember"):
        with_programs(version=3)


def test_what_is_not_there_is_named(with_programs, folder):
    config = with_programs(labels="none.csv")
    with pytest.raises(CorpusError, match=r"none\.csv: no such file"):
        programs.check_folder(config["datasets"]["mine"])
    config = with_programs(path=str(folder / "none"))
    with pytest.raises(CorpusError, match="none: no such folder"):
        programs.check_folder(config["datasets"]["mine"])
    (folder / "empty" / "sub").mkdir(parents=True)
    config = with_programs(path=str(folder / "empty"))
    with pytest.raises(CorpusError, match="empty: the folder has no files"):
        programs.check_folder(config["datasets"]["mine"])


def test_a_tilde_is_the_users_folder(with_programs, folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    config = with_programs(path="~/programs", labels="~/labels.csv")
    assert programs.extraction_spec(config, "mine")["path"] == str(folder)


def test_the_extraction_is_another_when_names_sizes_or_labels_are(with_programs, folder):
    config = with_programs()

    def spec():
        return programs.extraction_spec(config, "mine")

    first = spec()
    os.utime(folder / "a.exe", (1, 1))
    assert spec() == first
    (folder / "a.exe").write_bytes(b"MZ3")
    longer = spec()
    (folder / "sub" / "b.exe").rename(folder / "sub" / "c.exe")
    renamed = spec()
    (folder.parent / "labels.csv").write_text("path,label\na.exe,1\n")
    relabelled = spec()
    (folder / "gone.exe").symlink_to(folder / "nowhere")
    dangling = spec()
    different = {str(found) for found in (first, longer, renamed, relabelled, dangling)}
    assert len(different) == 5
