"""Lists of checksums as `sha256sum` reads them: its own form, BSD's (`--tag`) and OpenSSL's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dokunuki.errors import unreadable_file

if TYPE_CHECKING:
    from pathlib import Path

_HEXADECIMAL = r"(?P<digest>[0-9a-fA-F]{64})"
_FORMS = tuple(
    re.compile(form, re.DOTALL)
    for form in (
        # A star before the name says that the file was read as binary. Old BSD wrote one blank.
        rf"{_HEXADECIMAL}[ \t][ *]?(?P<name>.+)",
        rf"SHA256 ?\((?P<name>.*)\)[ \t]*=[ \t]*{_HEXADECIMAL}",
        # The digest alone, which many publish, is no list to sha256sum.
        rf"{_HEXADECIMAL}(?P<name>)",
    )
)
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_ESCAPES = {r"\\": "\\", r"\n": "\n", r"\r": "\r"}


def listed_digests(listed: Path, name: str) -> set[str]:
    """The sha256 of the file called `name` by a list of checksums, in small hexadecimal digits.

    Lines that are no checksum are passed over, as sha256sum does. One checksum alone is the file's,
    whatever name stands with it; of several, those with its name count, in whatever folder. Raises
    ValueError, which says what the list lacks, for one without checksums, or without the file's,
    and DataFileError for one that cannot be read.
    """
    try:
        content = listed.read_bytes()
    except OSError as error:
        raise unreadable_file(listed, error) from error
    found = [entry for line in _text(content).split("\n") if (entry := _entry(line)) is not None]
    if not found:
        raise ValueError("holds no sha256 of a file")
    if len(found) == 1:
        return {found[0][0]}
    paths = (f"/{name}", f"\\{name}")
    named = {digest for digest, other in found if other == name or other.endswith(paths)}
    if not named:
        raise ValueError(f"lists {len(found)} checksums and none of {name}")
    return named


def _text(content: bytes) -> str:
    # PowerShell writes UTF-16; names of files may be in any encoding.
    if content.startswith(_UTF16_MARKS):
        return content.decode("utf-16", "replace")
    return content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")


def _entry(line: str) -> tuple[str, str] | None:
    """The digest and the name of a line; None for comments and whatever else."""
    line = line.strip(" \t\r")
    escaped = line.startswith("\\")
    match = next(filter(None, (form.fullmatch(line.removeprefix("\\")) for form in _FORMS)), None)
    if match is None:
        return None
    name = match["name"]
    if escaped:
        name = re.sub(r"\\[\\nr]", lambda escape: _ESCAPES[escape[0]], name)
    return match["digest"].lower(), name
