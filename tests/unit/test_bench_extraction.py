"""The comparison with the ember package: its causes explain all that differs, and nothing else."""

from __future__ import annotations

from collections import Counter

import lief
import numpy as np
import pytest

from dokunuki.corpus.extract.program import program_features
from dokunuki.corpus.layout import feature_layout
from made_up_programs import CODE, launchers, made_up_program

ember = pytest.importorskip("ember")
extraction = pytest.importorskip("bench.extraction")

WIDTH = feature_layout(2).width


@pytest.fixture(scope="module")
def extractor():
    return ember.PEFeatureExtractor(2, print_feature_warning=False)


def compare(extractor, contents, change=lambda row: None):
    """The comparison of some programs, of whose rows ours are changed."""
    comparison = extraction.Comparison(2, WIDTH)
    for content in contents:
        binary = lief.PE.parse(list(content))
        ours = program_features(content, 2)
        change(ours)
        theirs = extraction.package_row(extractor, content, binary)
        comparison.add(ours, theirs, extractor, binary)
    return comparison


@pytest.fixture(scope="module")
def compared(extractor):
    return compare(extractor, [path.read_bytes() for path in launchers()])


def test_launchers_differ_by_known_causes_only(compared):
    assert compared.compared.tolist() == [len(launchers())] * WIDTH
    assert compared.different.any()
    assert not compared.unexplained.any()


def test_what_no_cause_explains_is_told(extractor):
    content = launchers()[0].read_bytes()
    comparison = compare(extractor, [content], lambda row: row["general"].update(symbols=99))
    column = feature_layout(2).names.index("symbols")
    assert np.flatnonzero(comparison.unexplained).tolist() == [column]


@pytest.mark.parametrize(
    "settings",
    [
        {"sections": [("UPX0", CODE), ("UPX1", CODE | 0x20000000)], "entry": 0x2010},
        {"sections": [("text", CODE | 0x30000)]},
        {"sections": [(b"\x02\xd2u", CODE)]},
        {"machine": 0x999},
    ],
    ids=["packed", "purgeable", "bytes beyond ASCII", "nameless"],
)
@pytest.mark.filterwarnings("ignore:.*is not a valid")
def test_what_no_launcher_has_is_explained_too(extractor, settings):
    comparison = compare(extractor, [made_up_program(**settings)])
    assert comparison.different.any()
    assert not comparison.unexplained.any()


def test_a_group_in_which_the_package_fails_is_left_out(extractor):
    comparison = compare(extractor, [made_up_program(entry=0)])
    assert comparison.failed == {"section": 1}
    section = feature_layout(2).groups["section"]
    assert not comparison.compared[section].any()
    assert comparison.compared.sum() == WIDTH - (section.stop - section.start)


def test_tables_hold_every_column_once(compared, tmp_path):
    columns = [column for block in extraction.blocks(2).values() for column in block]
    assert sorted(columns) == list(range(WIDTH))
    older = extraction.Comparison(1, feature_layout(1).width)
    text = extraction.table(compared, older, Counter(setuptools=len(launchers())))
    assert f"{len(launchers())} programs: setuptools" in text
    assert "| dll_characteristics | 10 |" in text
    extraction.write_columns(str(tmp_path / "columns.csv"), compared, older)
    assert len((tmp_path / "columns.csv").read_text().splitlines()) > WIDTH


def test_programs_are_found_once_by_content_with_their_origin(tmp_path):
    for origin in ("a", "b"):
        (tmp_path / origin).mkdir()
        (tmp_path / origin / "same.exe").write_bytes(b"MZ same")
        (tmp_path / origin / "text.txt").write_text("no program")
    (tmp_path / "b" / "other.exe").write_bytes(b"MZ other")
    found = [(origin, path.name) for origin, path in extraction.programs(tmp_path)]
    assert found == [("a", "same.exe"), ("b", "other.exe")]
