"""The checksum inside a file: its sha256, in a place that the file's format leaves for it.

The format's writer puts `UNSEALED` near the start of the file; `seal` then replaces the zeros. The
digest is that of the whole file with zeros in its place, so that no byte is left out.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from dokunuki.errors import damaged_file, missing_file, unreadable_file

if TYPE_CHECKING:
    from typing import BinaryIO

_MARK = b"sha256:"
_ZEROS = b"0" * 64
UNSEALED = (_MARK + _ZEROS).decode()
"""What a writer puts where the checksum is to stand."""

# Where the mark stands at the latest: behind the first lines of whatever format.
_SEARCHED = 512
_BLOCK = 1 << 20


def seal(path: str | Path) -> None:
    """Put the checksum into a file that holds `UNSEALED`."""
    with Path(path).open("r+b") as file:
        place = _place(file)
        digest = _digest(file, place)
        file.seek(place)
        file.write(digest)


def check_seal(path: str | Path, target: str | Path | None = None) -> None:
    """Raise DataFileError for a file that is missing, unreadable, damaged, or was never sealed.

    `target` is what to rebuild then, where it is not the file itself.
    """
    try:
        with Path(path).open("rb") as file:
            try:
                place = _place(file)
            except ValueError as error:
                problem = "damaged, or not written by this version"
                raise damaged_file(path, problem, target) from error
            file.seek(place)
            sound = file.read(len(_ZEROS)) == _digest(file, place)
    except FileNotFoundError as error:
        raise missing_file(path, target) from error
    except OSError as error:
        raise unreadable_file(path, error) from error
    if not sound:
        problem = "damaged, truncated or edited: its content does not match its sha256"
        raise damaged_file(path, problem, target)


def _place(file: BinaryIO) -> int:
    """Where the digits stand; ValueError when there are none."""
    file.seek(0)
    return file.read(_SEARCHED).index(_MARK) + len(_MARK)


def _digest(file: BinaryIO, place: int) -> bytes:
    """The hexadecimal sha256 of a file with zeros for digits."""
    file.seek(0)
    digest = hashlib.sha256(file.read(place) + _ZEROS)
    file.seek(place + len(_ZEROS))
    while block := file.read(_BLOCK):
        digest.update(block)
    return digest.hexdigest().encode()
