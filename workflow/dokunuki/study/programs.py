"""Datasets of kind programs: what the extraction is told, and when the folder is another."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dokunuki.corpus.extract.listing import ERRORS_FILE, PROGRAMS_FILE, ROWS_FILE, list_programs
from dokunuki.errors import ConfigError, CorpusError
from dokunuki.storage.files import sha256_of

if TYPE_CHECKING:
    from collections.abc import Mapping

EXTRACTED_FILES = (ROWS_FILE, PROGRAMS_FILE, ERRORS_FILE)
"""What the extraction writes: the release's rows, and the listing of programs."""

VERSIONS = (1, 2)
"""The feature versions that programs can be extracted as."""


def check_programs(name: str, dataset: Mapping[str, Any]) -> None:
    """Raise ConfigError when a dataset of kind programs lacks something, or is of version 3."""
    for key, what in (("path", "folder of programs"), ("labels", "CSV of labels")):
        if not dataset[key]:
            raise ConfigError(
                f"config: datasets.{name}.{key}: no {what} is given; set it with --config "
                f"'datasets={{{name}: {{{key}: ...}}}}'"
            )
    if dataset["version"] not in VERSIONS:
        raise ConfigError(
            f"config: datasets.{name}.version: programs are extracted as feature version 1 or 2, "
            f"not {dataset['version']}; rows of version 3 come from EMBER2024's own extractor and "
            "are read with kind: ember"
        )


def check_folder(dataset: Mapping[str, Any]) -> None:
    """Raise CorpusError when there is no folder of programs, no file in it, or no CSV of labels."""
    folder, labels = _places(dataset)
    if not folder.is_dir():
        raise CorpusError(
            f"{folder}: no such folder; give the folder of programs with the dataset's `path`"
        )
    if not any(names for _, _, names in os.walk(folder)):
        raise CorpusError(f"{folder}: the folder has no files; give the folder of programs")
    if not labels.is_file():
        raise CorpusError(
            f"{labels}: no such file; give the CSV of labels with the dataset's `labels`"
        )


def extraction_spec(config: Mapping[str, Any], dataset: str) -> dict[str, Any]:
    """What decides the rows of a folder of programs.

    Programs never change: their names and sizes are compared, not their times. The CSV of labels is
    compared by its content. Raises CorpusError when either is not there.
    """
    entry = config["datasets"][dataset]
    check_folder(entry)
    folder, labels = _places(entry)
    return {
        "path": str(folder),
        "labels": str(labels),
        **{key: entry[key] for key in ("max_bytes", "max_seconds", "version")},
        "labels_sha256": sha256_of(labels),
        "programs_sha256": _listing_digest(folder, labels),
    }


def program_count(dataset: Mapping[str, Any]) -> int:
    """How many files a folder of programs has, for requests of memory and time."""
    return len(list_programs(*_places(dataset)))


def _places(dataset: Mapping[str, Any]) -> tuple[Path, Path]:
    """The folder of programs and the CSV of labels."""
    return Path(dataset["path"]).expanduser(), Path(dataset["labels"]).expanduser()


def _listing_digest(folder: Path, labels: Path) -> str:
    digest = hashlib.sha256()
    for name in list_programs(folder, labels):
        path = folder / name
        # A dangling link is a program that cannot be read, which the extraction says.
        size = path.stat().st_size if path.exists() else -1
        digest.update(b"%s\0%d\0" % (os.fsencode(name), size))
    return digest.hexdigest()
