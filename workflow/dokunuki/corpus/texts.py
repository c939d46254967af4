"""What is told of texts without parsing them: the keys of lines, and how a text is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

_COLON, _QUOTE, _BLANK = map(np.uint8, b':" ')


def count_colons(lines: Iterable[bytes]) -> int:
    """How many colons stand in some JSON: one for each of its keys, and those within texts."""
    return int(np.count_nonzero(np.frombuffer(b"".join(lines), np.uint8) == _COLON))


def count_keys(lines: Iterable[bytes]) -> int:
    """How many keys stand in some JSON, at the most; -1 where a blank stands before a colon.

    A key's colon comes behind a quotation mark. Few texts have one there: behind an escaped mark,
    or as what they begin with.
    """
    values = np.frombuffer(b"".join(lines), np.uint8)
    before, colon = values[:-1], (values == _COLON)[1:]
    if np.count_nonzero(colon & (before == _BLANK)):
        return -1
    return int(np.count_nonzero(colon & (before == _QUOTE)))


def storable(text: str) -> str:
    """A text as files can hold it: UTF-8 has no lone surrogates, which become escapes."""
    return text.encode("utf-8", "backslashreplace").decode()
