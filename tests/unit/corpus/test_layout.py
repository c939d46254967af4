import numpy as np
import pytest

from dokunuki.corpus.layout import feature_layout
from dokunuki.errors import ConfigError

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


@pytest.mark.parametrize(("version", "width"), [(1, 2351), (2, 2381)])
def test_groups_follow_each_other_without_a_gap(version, width):
    layout = feature_layout(version)
    sizes = {**SIZES, "datadirectories": 30} if version == 2 else SIZES
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


def test_names_lead_to_columns_and_back():
    layout = feature_layout(2)
    columns = layout.indices(["timestamp", "size", "certificate_table_size"])
    assert [layout.names[c] for c in columns] == ["timestamp", "size", "certificate_table_size"]
    assert [layout.group_of(c) for c in columns] == ["header", "general", "datadirectories"]
    np.testing.assert_array_equal(layout.columns("all"), layout.attackable)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: feature_layout(3), "feature version 3 is not supported"),
        (lambda: feature_layout(1).index("sise"), "no column is called 'sise'"),
        (lambda: feature_layout(1).columns("hashed"), "unknown region 'hashed'"),
        (lambda: feature_layout(1).group_of(2351), "column 2351 is outside"),
    ],
)
def test_what_is_not_there_is_named(call, message):
    with pytest.raises(ConfigError, match=message):
        call()
