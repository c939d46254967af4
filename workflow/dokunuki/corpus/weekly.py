"""EMBER2024's weekly files: what their names tell, and which rows are used by type of file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from dokunuki.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PROGRAM_TYPES = ("Win32", "Win64", "Dot_Net")
"""Programs for Windows, in EMBER2024's words."""
FILE_TYPES = (*PROGRAM_TYPES, "APK", "ELF", "PDF")
CHALLENGE = "challenge"

_WEEKLY = re.compile(
    r"(?P<start>\d{4}-\d\d-\d\d)_\d{4}-\d\d-\d\d_(?P<file_type>[A-Za-z0-9_]+?)_"
    r"(?P<part>train|test|challenge)(?:_malicious)?\.jsonl"
)
# Names of the challenge's files may leave out the week or the type.
_CHALLENGE = re.compile(r"(?:.*_)?challenge(?:_malicious)?\.jsonl")
_FIRST_WEEK = date(2023, 9, 24)


class WeeklyName(NamedTuple):
    """What the name of a weekly file tells: the week's first day, the type, train or test."""

    start: str
    file_type: str
    part: str


def weekly_name(file: str) -> WeeklyName | None:
    """What a file's name tells, in whatever folder it lies; None where it is no weekly file."""
    name = PurePosixPath(file).name
    if found := _WEEKLY.fullmatch(name):
        return WeeklyName(**found.groupdict())
    return WeeklyName("", "", CHALLENGE) if _CHALLENGE.fullmatch(name) else None


def week_start(number: int | None) -> str:
    """The first day of a week by its number in the rows, as 2023-09-24; empty for None."""
    return "" if number is None else (_FIRST_WEEK + timedelta(weeks=number)).isoformat()


@dataclass
class Selection:
    """Which rows of a release are used: those of the types asked for, and none of the challenge.

    `file_types` are of `FILE_TYPES`; None stands for all programs for Windows. The challenge's
    malware has no counterpart among the benign files, so that it cannot be part of a balanced
    sample. Rows that tell no type are used.
    """

    file_types: Sequence[str] | None = None

    def __post_init__(self) -> None:
        self._wanted = frozenset(PROGRAM_TYPES if self.file_types is None else self.file_types)
        self._met: set[str] = set()

    def left_out(self, file_type: str, part: str = "") -> str:
        """Why rows are left out: their type, or `CHALLENGE`; empty for rows that are used."""
        if part == CHALLENGE:
            return CHALLENGE
        self._met.add(file_type)
        return file_type if file_type and file_type not in self._wanted else ""

    def join(self, other: Selection) -> None:
        """Take for met what another part of the release has."""
        self._met |= other._met

    def check_met(self, where: object) -> None:
        """Raise CorpusError when a type that was asked for by name was not met in the release."""
        if missing := [name for name in self.file_types or () if name not in self._met]:
            raise CorpusError(
                f"{where}: no file is of type {' or '.join(missing)}, which the dataset's "
                f"file_types ask for; {_types_met(self._met)}: change file_types, or add the files"
            )


def _types_met(met: Iterable[str]) -> str:
    told = sorted(name for name in met if name)
    return (
        f"those here are of type {', '.join(told)}"
        if told
        else "the names of those here give no type"
    )
