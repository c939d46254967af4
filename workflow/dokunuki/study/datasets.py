"""What the configuration says of a dataset's rows: their layout, files, and where they are from."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dokunuki.corpus.layout import FeatureLayout, feature_layout
from dokunuki.corpus.own_layout import read_layout
from dokunuki.corpus.release import release_files
from dokunuki.corpus.table_files import label_file, table_files
from dokunuki.study.grid import all_grids

if TYPE_CHECKING:
    from collections.abc import Mapping


def used_datasets(config: Mapping[str, Any]) -> list[str]:
    """The datasets that a grid or the audit names."""
    named = [name for grid in all_grids(config).values() for name in grid["datasets"]]
    feed = config["audit"]["feed"]
    return list(dict.fromkeys([*named, *([] if feed is None else [feed])]))


def layout_of(config: Mapping[str, Any], dataset: str) -> FeatureLayout:
    """The layout of a dataset's columns; raises ConfigError for a layout file that is wrong."""
    entry = config["datasets"][dataset]
    if entry["layout"]:
        path = Path(entry["layout"]).expanduser()
        return _read_once(path, path.stat().st_mtime_ns if path.is_file() else 0)
    return feature_layout(entry["version"])


@lru_cache
def _read_once(path: Path, modified: int) -> FeatureLayout:
    """A layout file is asked for by every job, and read once."""
    return read_layout(path)


def corpus_of(config: Mapping[str, Any], dataset: str) -> str:
    """Where a dataset's rows come from, as the tables tell: its kind, or simulated."""
    entry = config["datasets"][dataset]
    return "simulated" if entry["simulated"] else str(entry["kind"])


def given_files(config: Mapping[str, Any], dataset: str) -> list[Path]:
    """The files of a dataset that the user gave; none where the workflow makes them.

    Raises CorpusError when they are not there.
    """
    entry = config["datasets"][dataset]
    if entry["kind"] == "ember":
        return release_files(entry["path"], entry["file_types"])
    if entry["kind"] == "rows":
        tables = table_files(entry["path"])
        labels = dict.fromkeys(label_file(table, entry["label"]) for table in tables)
        return [*tables, *(file for file in labels if file is not None)]
    return []
