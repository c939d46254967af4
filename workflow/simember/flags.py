"""Flag words of the PE format, and the names that EMBER's parser gives to their bits."""

from __future__ import annotations

import msgspec

from simember.loading import read


class _Flags(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    coff: dict[int, str]
    dll: dict[int, str]
    section: dict[int, str]


_FLAGS = read("flags.yaml", _Flags)


def coff_flags(word: int) -> list[str]:
    """Names of the COFF characteristics in `word`."""
    return [name for bit, name in _FLAGS.coff.items() if word & bit]


def dll_flags(word: int) -> list[str]:
    """Names of the DLL characteristics in `word`."""
    return [name for bit, name in _FLAGS.dll.items() if word & bit]


def section_flags(word: int) -> list[str]:
    """Names of the section characteristics in `word`, as EMBER's parser reports them."""
    return [name for bit, name in _FLAGS.section.items() if word & bit]
