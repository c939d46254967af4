"""The columns of feature version 3 (EMBER2024): groups, names, kinds, and Severi et al.'s sets.

Source: the EMBER2024 release (Joyce et al., KDD 2025, arXiv 2506.05074). `data/ember2024.yaml`
holds its lists of names. docs/corpora.md gives the reason for each column of the two sets.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec

from dokunuki.corpus.columns import HISTOGRAMS, PRINTABLE, Columns, hashed


class Names(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The release's lists of names, each in the order of its columns."""

    string_counts: tuple[str, ...]
    machines: tuple[str, ...]
    subsystems: tuple[str, ...]
    coff_flags: tuple[str, ...]
    dll_flags: tuple[str, ...]
    dos_members: tuple[str, ...]
    directories: tuple[str, ...]
    warnings: tuple[str, ...]


VERSIONS = (
    "major_image_version",
    "minor_image_version",
    "major_linker_version",
    "minor_linker_version",
    "major_operating_system_version",
    "minor_operating_system_version",
    "major_subsystem_version",
    "minor_subsystem_version",
)
# The raw keys of the optional header are the names of its columns.
OPTIONAL_NUMBERS = (
    *VERSIONS,
    "sizeof_code",
    "sizeof_headers",
    "sizeof_image",
    "sizeof_initialized_data",
    "sizeof_uninitialized_data",
    "sizeof_stack_reserve",
    "sizeof_stack_commit",
    "sizeof_heap_reserve",
    "sizeof_heap_commit",
    "address_of_entrypoint",
    "base_of_code",
    "image_base",
    "section_alignment",
    "checksum",
    "number_of_rvas_and_sizes",
)
# So are those of the COFF header.
COFF_NUMBERS = (
    "timestamp",
    "number_of_sections",
    "number_of_symbols",
    "sizeof_optional_header",
    "pointer_to_symbol_table",
)
SECTION_NUMBERS: Columns = (
    ("num_sections", "count"),
    ("num_zero_size_sections", "count"),
    ("num_unnamed_sections", "count"),
    ("num_read_and_execute_sections", "count"),
    ("num_write_sections", "count"),
    ("max_section_entropy", "real"),
    ("min_section_entropy", "real"),
    ("max_section_size_ratio", "real"),
    ("min_section_size_ratio", "real"),
    ("max_section_vsize_ratio", "real"),
    ("min_section_vsize_ratio", "real"),
)
# The raw keys of `authenticode`, with the kinds of their columns. A difference may be negative.
AUTHENTICODE: Columns = (
    ("num_certs", "count"),
    ("self_signed", "flag"),
    ("empty_program_name", "flag"),
    ("no_countersigner", "flag"),
    ("parse_error", "flag"),
    ("chain_max_depth", "count"),
    ("latest_signing_time", "count"),
    ("signing_time_diff", "count"),
)

# What Severi et al. change in working files: thirteen columns are as they were, four stand for the
# counts of paths, URLs and registry keys. MZ_count has no counterpart.
FEASIBLE = (
    "size",
    "string_count_file_path",
    "string_count_http://",
    "string_count_https://",
    "string_count_registry_key",
    "timestamp",
    "major_image_version",
    "minor_image_version",
    "major_linker_version",
    "minor_linker_version",
    "major_operating_system_version",
    "minor_operating_system_version",
    "minor_subsystem_version",
    "num_zero_size_sections",
    "num_unnamed_sections",
    "num_read_and_execute_sections",
    "num_write_sections",
)
# The counterparts of the other columns that are neither hashes nor histograms in version 1.
NON_HASHED = (
    *FEASIBLE,
    "numstrings",
    "avlength",
    "printables",
    "string_entropy",
    "major_subsystem_version",
    "sizeof_code",
    "sizeof_headers",
    "sizeof_heap_commit",
    "num_sections",
    "sizeof_image",  # vsize
    "number_of_symbols",  # symbols
    "num_imported_functions",  # imports
    "exports_width",  # exports
    "has_relocs",  # has_relocations
    "debug_directory_size",  # has_debug
    "resource_directory_size",  # has_resources
    "num_certs",  # has_signature
    "tls_directory_size",  # has_tls
)


@cache
def names() -> Names:
    """The release's lists of names."""
    # Here, since most runs are of other versions.
    import yaml

    path = Path(__file__).parent / "data" / "ember2024.yaml"
    return msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), Names)


def groups() -> dict[str, Columns]:
    """Names and kinds of the columns by group, in order."""
    known = names()
    return {
        "general": (
            ("size", "count"),
            ("file_entropy", "real"),
            ("is_pe", "flag"),
            *((f"start_byte_{place}", "category") for place in range(4)),
        ),
        **HISTOGRAMS,
        "strings": (
            ("numstrings", "count"),
            ("avlength", "real"),
            ("printables", "count"),
            *PRINTABLE,
            ("string_entropy", "real"),
            *((f"string_count_{name}", "count") for name in known.string_counts),
        ),
        "header": (
            *((name, "count") for name in COFF_NUMBERS),
            ("machine", "category"),
            ("subsystem", "category"),
            *((name, "count") for name in OPTIONAL_NUMBERS),
            *((f"coff_{name.lower()}", "flag") for name in known.coff_flags),
            *((f"dll_{name.lower()}", "flag") for name in known.dll_flags),
            *((name, "count") for name in known.dos_members),
        ),
        "section": (
            *SECTION_NUMBERS,
            *hashed("section_sizes", 50),
            *hashed("section_vsizes", 50),
            *hashed("section_entropies", 50),
            *hashed("section_characteristics", 50),
            *hashed("entry_name", 10),
            ("overlay_size", "count"),
            ("overlay_size_ratio", "real"),
            ("overlay_entropy", "real"),
        ),
        "imports": (
            ("num_imported_functions", "count"),
            ("num_imported_libraries", "count"),
            *hashed("import_libraries", 256),
            *hashed("import_functions", 1024),
        ),
        # The release wrote the width of the hashes where it meant the number of exports: 0 or 128.
        "exports": (("exports_width", "category"), *hashed("export", 128)),
        "datadirectories": (
            *(
                (f"{name.lower()}_directory_{part}", "count")
                for name in known.directories
                for part in ("size", "virtual_address")
            ),
            ("has_relocs", "flag"),
            ("has_dynamic_relocs", "flag"),
        ),
        "richheader": (("num_rich_pairs", "count"), *hashed("rich_pairs", 32)),
        "authenticode": AUTHENTICODE,
        "pefilewarnings": (
            *((f"pefile_warning_{place:02d}", "flag") for place in range(len(known.warnings))),
            ("num_pefile_warnings", "count"),
        ),
    }
