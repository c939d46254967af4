"""Names that Windows programs really use: DLLs with their functions, section names, identifiers.

Only facts of the platform stand here, as read from `data`: which functions a DLL exports, what a
runtime library of which compiler imports for itself, which names tools give to sections. How often
who uses what is said in `archetypes` and `families`.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from simember.loading import read, read_entries, read_table

Imports = tuple[tuple[str, tuple[str, ...]], ...]
Text = Annotated[str, msgspec.Meta(min_length=1)]  # words between spaces


class _Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    styles: dict[str, Text]
    verbs: Text
    nouns: Text
    prefixes: Text
    com_exports: Text
    syllables: Text


class _Sections(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    role_flags: dict[str, int]
    packers: dict[str, tuple[str, str]]
    infectors: tuple[str, ...]


class _Library(msgspec.Struct, frozen=True):
    dll: str
    style: str


def _bundles(file: str) -> dict[str, Imports]:
    """Sets of imports that come together: pairs of a DLL and its functions, by name."""
    return {
        name: tuple((dll, tuple(functions.split())) for dll, functions in bundle.items())
        for name, bundle in read_entries(file, dict[str, Text]).items()
    }


# What each runtime imports for itself: always present, as a whole.
RUNTIMES = _bundles("runtimes.yaml")
# What programs do: a program takes some bundles, and of each a part of the functions.
CAPABILITIES = _bundles("capabilities.yaml")
# Libraries of third parties that goodware is linked against, with the style of their names.
THIRD_PARTY = tuple((row.dll, row.style) for row in read_table("third_party.csv", _Library))

_words = read("words.yaml", _Words)
STYLES = {style: tuple(text.split()) for style, text in _words.styles.items()}
VERBS = tuple(_words.verbs.split())
NOUNS = tuple(_words.nouns.split())
PREFIXES = tuple(_words.prefixes.split())
COM_EXPORTS = tuple(_words.com_exports.split())
SYLLABLES = tuple(_words.syllables.split())

_sections = read("sections.yaml", _Sections)
ROLE_FLAGS = _sections.role_flags
PACKER_SECTIONS = _sections.packers
INFECTOR_SECTIONS = _sections.infectors
