import json

import numpy as np
import pytest

from dokunuki.corpus.ember2024_layout import names
from dokunuki.corpus.layout import FEATURE_VERSIONS, feature_layout
from dokunuki.errors import ConfigError

CODE = "category"
REGIONS = ("feasible", "non_hashed", "all", "undefended", "every")
SIZES = {
    "histogram": 256,
    "byteentropy": 256,
    "strings": 104,
    "general": 10,
    "header": 62,
    "section": 255,
    "imports": 1280,
    "exports": 128,
}


SIZES_3 = {
    "general": 7,
    "histogram": 256,
    "byteentropy": 256,
    "strings": 177,
    "header": 74,
    "section": 224,
    "imports": 1282,
    "exports": 129,
    "datadirectories": 34,
    "richheader": 33,
    "authenticode": 8,
    "pefilewarnings": 88,
}


@pytest.mark.parametrize(
    ("version", "width", "sizes"),
    [(1, 2351, SIZES), (2, 2381, {**SIZES, "datadirectories": 30}), (3, 2568, SIZES_3)],
)
def test_groups_follow_each_other_without_a_gap(version, width, sizes):
    layout = feature_layout(version)
    assert {group: c.stop - c.start for group, c in layout.groups.items()} == sizes
    starts = np.cumsum([0, *sizes.values()])
    assert [c.start for c in layout.groups.values()] == starts[:-1].tolist()
    assert layout.width == len(layout.kinds) == len(set(layout.names)) == width


def test_the_papers_column_sets():
    layout = feature_layout(1)
    assert len(layout.undefended) == 512
    assert len(layout.attackable) == 1839
    assert (layout.attackable[0], layout.attackable[-1]) == (512, 2350)
    assert len(layout.non_hashed) == 35
    assert len(layout.feasible) == 17
    assert set(layout.feasible) < set(layout.non_hashed) < set(layout.attackable)
    assert layout.columns("every").tolist() == sorted({*layout.attackable, *layout.undefended})
    assert {layout.kinds[c] for c in layout.non_hashed} == {"count", "flag", "real"}


@pytest.mark.parametrize("version", FEATURE_VERSIONS)
def test_the_sets_are_the_same_in_number_and_hold_one_another(version):
    layout = feature_layout(version)
    regions = {name: set(layout.columns(name).tolist()) for name in REGIONS}
    assert {name: len(columns) for name, columns in regions.items()} == {
        "feasible": 17,
        "non_hashed": 35,
        "all": layout.width - 512,
        "undefended": 512,
        "every": layout.width,
    }
    assert regions["feasible"] < regions["non_hashed"] < regions["all"] < regions["every"]
    assert regions["undefended"] == regions["every"] - regions["all"]
    for name in REGIONS:
        assert layout.columns(name).tolist() == sorted(regions[name])
    assert not {layout.kinds[c] for c in regions["non_hashed"]} & {"hash"}
    groups = [layout.group_of(c) for c in layout.columns("undefended")]
    assert groups == ["histogram"] * 256 + ["byteentropy"] * 256


def test_what_version_3_keeps_of_the_settable_columns():
    """Thirteen of Severi et al.'s seventeen are the same columns; counts of strings replace three.

    Twelve have the name that the release gives them: that of unnamed sections is ours.
    """
    first, third = (feature_layout(version) for version in (1, 3))
    old, new = ({layout.names[c] for c in layout.feasible} for layout in (first, third))
    assert len(old & new) == 13
    assert old - new == {"paths_count", "urls_count", "registry_count", "MZ_count"}
    assert new - old == {
        f"string_count_{name}" for name in ("file_path", "http://", "https://", "registry_key")
    }
    shared = set(first.names) & set(third.names)
    assert all(
        first.kinds[first.index(name)] == third.kinds[third.index(name)]
        for name in shared & {first.names[c] for c in first.non_hashed}
    )


def test_histograms_come_second_in_version_3():
    layout = feature_layout(3)
    assert (layout.undefended[0], layout.undefended[-1]) == (7, 518)
    assert layout.attackable[:8].tolist() == [0, 1, 2, 3, 4, 5, 6, 519]


def test_categories_of_version_3():
    layout = feature_layout(3)
    codes = [name for name, kind in zip(layout.names, layout.kinds, strict=True) if kind == CODE]
    assert codes == [
        *(f"start_byte_{place}" for place in range(4)),
        "machine",
        "subsystem",
        "exports_width",
    ]


def test_version_3_is_the_specification(ember2024_folder):
    """Bounds of the groups, and the names of what is counted, where the specification says so."""
    tables = json.loads((ember2024_folder / "tables.json").read_text())
    layout = feature_layout(3)
    assert {group["name"]: slice(group["start"], group["stop"]) for group in tables["groups"]} == (
        layout.groups
    )
    for counted in tables["string_counts_in_vector_order"]:
        assert layout.names[counted["column"]] == f"string_count_{counted['name']}"
    # What LightGBM is told to take as categories there, and the one flag among them.
    codes = {c for c, kind in enumerate(layout.kinds) if kind == CODE}
    codes ^= {layout.index("is_pe"), layout.index("exports_width")}
    assert sorted(codes) == tables["categorical_columns"]
    known = names()
    assert list(known.warnings) == tables["pefile_warnings_in_vector_order"]
    assert [f"IMAGE_FILE_MACHINE_{name}" for name in known.machines] == tables["machine_index"]
    assert [f"IMAGE_SUBSYSTEM_{name}" for name in known.subsystems] == tables["subsystem_index"]
    for key, listed in (
        ("coff_characteristics", known.coff_flags),
        ("dll_characteristics", known.dll_flags),
        ("dos_members", known.dos_members),
        ("data_directories", known.directories),
    ):
        assert list(listed) == tables[key]


def test_names_lead_to_columns_and_back():
    layout = feature_layout(2)
    columns = layout.indices(["timestamp", "size", "certificate_table_size"])
    assert [layout.names[c] for c in columns] == ["timestamp", "size", "certificate_table_size"]
    assert [layout.group_of(c) for c in columns] == ["header", "general", "datadirectories"]
    np.testing.assert_array_equal(layout.columns("all"), layout.attackable)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: feature_layout(4), "feature version 4 is not supported"),
        (lambda: feature_layout(1).index("sise"), "no column is called 'sise'"),
        (lambda: feature_layout(1).columns("hashed"), "unknown region 'hashed'"),
        (lambda: feature_layout(1).group_of(2351), "column 2351 is not one of the 2351"),
    ],
)
def test_what_is_not_there_is_named(call, message):
    with pytest.raises(ConfigError, match=message):
        call()
