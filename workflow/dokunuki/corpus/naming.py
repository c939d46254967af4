"""What the names of raw feature files tell, whatever they are compressed with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dokunuki.corpus.weekly import FILE_TYPES, Selection, WeeklyName, weekly_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

ARCHIVE_SUFFIXES = (
    ".tar",
    ".tar.gz",
    ".tgz",
    ".tar.bz2",
    ".tbz2",
    ".tbz",
    ".tar.xz",
    ".txz",
    ".tar.zst",
    ".tzst",
    ".zip",
)
LINES_SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.bz2", ".jsonl.xz", ".jsonl.zst")

_COMPRESSED = re.compile(r"(?P<plain>.+)\.(?:gz|bz2|xz|zst)", re.IGNORECASE)
_EMBER = re.compile(r"train_features_\d+\.jsonl|test_features\.jsonl")
_WEEKLY_ZIP = re.compile(
    rf"(?P<file_type>{'|'.join(FILE_TYPES)})_(?:train|test)\.zip|(?P<part>challenge)\.zip"
)


def plain_name(name: str) -> str:
    """The name that a file has once it is decompressed, as text that can be written as UTF-8."""
    match = _COMPRESSED.fullmatch(name)
    plain = match["plain"] if match else name
    return plain.encode("utf-8", "backslashreplace").decode("utf-8")


def name_within(release: Path, file: Path) -> str:
    """The plain name of a file of a release: its path from the folder, or the name of the one."""
    return plain_name(file.relative_to(release).as_posix() if file != release else file.name)


def is_ember(name: str) -> bool:
    """Whether a name, without folders, is that of a raw feature file of EMBER 2017 or 2018."""
    return _EMBER.fullmatch(plain_name(name)) is not None


def is_weekly(name: str) -> bool:
    """Whether a name is that of a weekly file of EMBER2024, or of its challenge set."""
    return weekly_name(plain_name(name)) is not None


def is_weekly_zip(name: str) -> bool:
    """Whether a name is that of one of the zips in which EMBER2024 is published."""
    return _WEEKLY_ZIP.fullmatch(name) is not None


def check_types(release: Path, files: Iterable[Path], file_types: Sequence[str] | None) -> None:
    """Raise CorpusError when the names of all files tell that a type asked for is not there.

    Where some names tell no type, only reading the rows can tell.
    """
    selection = Selection(file_types)
    for file in files:
        named = weekly_name(plain_name(file.name)) or _WEEKLY_ZIP.fullmatch(file.name)
        if named is None:
            return
        told = named._asdict() if isinstance(named, WeeklyName) else named.groupdict("")
        selection.left_out(told["file_type"], told["part"])
    selection.check_met(release)


def is_lines(name: str) -> bool:
    """Whether a name is that of anybody's JSON lines."""
    # What macOS keeps beside files on foreign disks begins with a dot.
    return plain_name(name).endswith(".jsonl") and not name.startswith(".")
