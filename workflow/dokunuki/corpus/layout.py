"""The layout of feature vectors: groups, column names, column kinds and column sets.

Feature version 1 has 2351 columns, version 2 appends 30 data-directory columns, and version 3 has
2568 in another order (`ember2024_layout`). Other features are described by a file of the user's
(`own_layout`). Nothing else in the project may address a column by a literal index, or by its place
beside others: ask the layout by group or by name.
Sources: EMBER (Anderson and Roth, arXiv 1804.04637); the column sets are those of Severi et al.,
USENIX Security 2021, section 4 and appendix.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache, cached_property
from typing import TYPE_CHECKING

import numpy as np

from dokunuki.corpus import ember2024_layout
from dokunuki.corpus.columns import HISTOGRAMS, PRINTABLE, Columns, Kind, hashed
from dokunuki.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FEATURE_VERSIONS = (1, 2, 3)

DATA_DIRECTORIES = (
    "EXPORT_TABLE",
    "IMPORT_TABLE",
    "RESOURCE_TABLE",
    "EXCEPTION_TABLE",
    "CERTIFICATE_TABLE",
    "BASE_RELOCATION_TABLE",
    "DEBUG",
    "ARCHITECTURE",
    "GLOBAL_PTR",
    "TLS_TABLE",
    "LOAD_CONFIG_TABLE",
    "BOUND_IMPORT",
    "IAT",
    "DELAY_IMPORT_DESCRIPTOR",
    "CLR_RUNTIME_HEADER",
)

_STRINGS: Columns = (
    ("numstrings", "count"),
    ("avlength", "real"),
    ("printables", "count"),
    *PRINTABLE,
    ("string_entropy", "real"),
    ("paths_count", "count"),
    ("urls_count", "count"),
    ("registry_count", "count"),
    ("MZ_count", "count"),
)
_GENERAL: Columns = (
    ("size", "count"),
    ("vsize", "count"),
    ("has_debug", "flag"),
    ("exports", "count"),
    ("imports", "count"),
    ("has_relocations", "flag"),
    ("has_resources", "flag"),
    ("has_signature", "flag"),
    ("has_tls", "flag"),
    ("symbols", "count"),
)
_HEADER_HASHES = ("machine", "characteristics", "subsystem", "dll_characteristics", "magic")
HEADER_NUMBERS = (
    "major_image_version",
    "minor_image_version",
    "major_linker_version",
    "minor_linker_version",
    "major_operating_system_version",
    "minor_operating_system_version",
    "major_subsystem_version",
    "minor_subsystem_version",
    "sizeof_code",
    "sizeof_headers",
    "sizeof_heap_commit",
)
_SECTION_COUNTS = (
    "num_sections",
    "num_zero_size_sections",
    "num_unnamed_sections",
    "num_read_and_execute_sections",
    "num_write_sections",
)
_SECTION_HASHES = (
    "section_sizes",
    "section_entropies",
    "section_vsizes",
    "entry_name",
    "entry_characteristics",
)

# What Severi et al. leave out of the 35 non-hashed columns to keep the altered file working.
_NOT_FEASIBLE = frozenset(
    {
        "avlength",
        "exports",
        "has_debug",
        "has_relocations",
        "has_resources",
        "has_signature",
        "has_tls",
        "imports",
        "major_subsystem_version",
        "num_sections",
        "numstrings",
        "printables",
        "sizeof_code",
        "sizeof_headers",
        "sizeof_heap_commit",
        "string_entropy",
        "symbols",
        "vsize",
    }
)


def _groups(version: int) -> dict[str, Columns]:
    if version == 3:
        return ember2024_layout.groups()
    header: Columns = (
        ("timestamp", "count"),
        *(pair for name in _HEADER_HASHES for pair in hashed(name, 10)),
        *((name, "count") for name in HEADER_NUMBERS),
    )
    section: Columns = (
        *((name, "count") for name in _SECTION_COUNTS),
        *(pair for name in _SECTION_HASHES for pair in hashed(name, 50)),
    )
    groups = {
        **HISTOGRAMS,
        "strings": _STRINGS,
        "general": _GENERAL,
        "header": header,
        "section": section,
        "imports": hashed("import_libraries", 256) + hashed("import_functions", 1024),
        "exports": hashed("export", 128),
    }
    if version == 2:
        groups["datadirectories"] = tuple(
            (f"{name.lower()}_{part}", "count")
            for name in DATA_DIRECTORIES
            for part in ("size", "virtual_address")
        )
    return groups


def _column_sets(version: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The columns with one number of the file each, and those of them that a file can be given."""
    if version == 3:
        return ember2024_layout.NON_HASHED, ember2024_layout.FEASIBLE
    non_hashed = (
        *(name for name, _ in _STRINGS if not name.startswith("printabledist")),
        *(name for name, _ in _GENERAL),
        "timestamp",
        *HEADER_NUMBERS,
        *_SECTION_COUNTS,
    )
    return non_hashed, tuple(name for name in non_hashed if name not in _NOT_FEASIBLE)


@dataclass(frozen=True)
class FeatureLayout:
    """Names, kinds and sets of the columns of feature vectors. All indices are 0-based.

    `name` is how messages and files call the layout, `version` EMBER's feature version, or None
    for features of the user's own. `undefended_names` are the columns out of an attacker's reach,
    `non_hashed_names` and `feasible_names` the columns of the regions of that name.
    """

    name: str
    version: int | None
    groups: dict[str, slice]
    names: tuple[str, ...]
    kinds: tuple[Kind, ...]
    undefended_names: tuple[str, ...]
    non_hashed_names: tuple[str, ...]
    feasible_names: tuple[str, ...]

    @property
    def width(self) -> int:
        """The number of columns: 2351, 2381 or 2568 in EMBER's versions."""
        return len(self.names)

    def __reduce__(self) -> tuple[object, ...]:
        """How it goes to another process: EMBER's by their version alone."""
        if self.version is not None:
            return feature_layout, (self.version,)
        return FeatureLayout, tuple(getattr(self, field.name) for field in fields(self))

    @cached_property
    def _index(self) -> dict[str, int]:
        return {name: column for column, name in enumerate(self.names)}

    def index(self, name: str) -> int:
        """The column called `name`; raises ConfigError when there is none."""
        try:
            return self._index[name]
        except KeyError:
            raise ConfigError(
                f"no column is called {name!r} in {self.name}; check its spelling"
            ) from None

    def indices(self, names: Iterable[str]) -> np.ndarray:
        """The columns called `names`, int64, in that order."""
        return np.array([self.index(name) for name in names], dtype=np.int64)

    def group_of(self, column: int) -> str:
        """The feature group that holds a column."""
        for group, columns in self.groups.items():
            if columns.start <= column < columns.stop:
                return group
        raise ConfigError(
            f"column {column} is not one of the {self.width} of {self.name}, counted from 0"
        )

    @cached_property
    def attackable(self) -> np.ndarray:
        """The attackable region, of EMBER every column but the byte histograms (1839 of 2351)."""
        columns: np.ndarray = np.setdiff1d(np.arange(self.width), self.undefended)
        return columns

    @cached_property
    def undefended(self) -> np.ndarray:
        """What no defence here touches, of EMBER the two byte histograms: 512 columns."""
        return np.sort(self.indices(self.undefended_names))

    @cached_property
    def non_hashed(self) -> np.ndarray:
        """The 35 columns with one number of the file each: neither hashes nor histograms.

        In version 3, which has more of them, the counterparts of these. In a layout of the user's
        own, all attackable columns that are no hashes.
        """
        return np.sort(self.indices(self.non_hashed_names))

    @cached_property
    def feasible(self) -> np.ndarray:
        """The 17 of `non_hashed` that Severi et al. change in working files.

        In a layout of the user's own, those that it names.
        """
        return np.sort(self.indices(self.feasible_names))

    def columns(self, region: str) -> np.ndarray:
        """The columns of a region by name, in ascending order.

        non_hashed, feasible, all (attackable), undefended, or every: all (attackable) and
        undefended together. Raises ConfigError for any other.
        """
        regions = {
            "non_hashed": self.non_hashed,
            "feasible": self.feasible,
            "all": self.attackable,
            "undefended": self.undefended,
            "every": np.arange(self.width),
        }
        if region not in regions:
            raise ConfigError(f"unknown region {region!r}; known: {', '.join(regions)}")
        if region == "feasible" and not len(self.feasible):
            raise ConfigError(
                f"{self.name} names no feasible columns: name them in the layout file "
                "(`feasible: [...]`), or choose another region"
            )
        return regions[region]


@cache
def feature_layout(version: int) -> FeatureLayout:
    """The layout of a feature version (1, 2 or 3); raises ConfigError for any other."""
    if version not in FEATURE_VERSIONS:
        known = ", ".join(map(str, FEATURE_VERSIONS))
        raise ConfigError(f"feature version {version!r} is not supported; known: {known}")
    non_hashed, feasible = _column_sets(version)
    undefended = [name for columns in HISTOGRAMS.values() for name, _ in columns]
    return layout_of_groups(
        f"feature version {version}",
        _groups(version),
        version=version,
        undefended=undefended,
        non_hashed=non_hashed,
        feasible=feasible,
    )


def layout_of_groups(
    name: str,
    groups: Mapping[str, Columns],
    *,
    version: int | None = None,
    undefended: Iterable[str],
    non_hashed: Iterable[str],
    feasible: Iterable[str],
) -> FeatureLayout:
    """The layout whose columns stand group after group."""
    slices: dict[str, slice] = {}
    names: list[str] = []
    kinds: list[Kind] = []
    for group, columns in groups.items():
        slices[group] = slice(len(names), len(names) + len(columns))
        names += [column for column, _ in columns]
        kinds += [kind for _, kind in columns]
    return FeatureLayout(
        name,
        version,
        slices,
        tuple(names),
        tuple(kinds),
        tuple(undefended),
        tuple(non_hashed),
        tuple(feasible),
    )
