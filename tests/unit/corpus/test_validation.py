from __future__ import annotations

import copy
import json
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dokunuki.corpus.quick_check import quick_identity
from dokunuki.corpus.validation import FeatureVersionError, check_row
from dokunuki.errors import CorpusError

WHERE = "ember/train_features_3.jsonl:7"


def put(row, path, value):
    for key in path[:-1]:
        row = row[key]
    row[path[-1]] = value


def drop(row, path):
    for key in path[:-1]:
        row = row[key]
    del row[path[-1]]


def message_of(row, version=1):
    with pytest.raises(CorpusError) as caught:
        check_row(row, version, WHERE)
    assert str(caught.value).startswith(f"{WHERE}: ")
    assert quick_identity(json.dumps(row).encode(), version) is None
    return str(caught.value)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("label", [-1, 0, 1])
def test_a_sound_row_passes(make_row, version, label):
    check_row(make_row(label=label, version=version), version, WHERE)


def test_an_unparsable_program_is_a_sound_row(make_row):
    row = make_row(version=2)
    row |= {"section": {"entry": "", "sections": []}, "imports": {}, "exports": []}
    row["datadirectories"] = []
    check_row(row, 2, WHERE)


@pytest.mark.parametrize("key", ["sha256", "appeared", "label", "histogram", "imports", "header"])
def test_a_missing_block_is_named(make_row, key):
    row = make_row()
    del row[key]
    assert f"has no '{key}'" in message_of(row)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (("strings", "avlength"), "strings has no 'avlength'"),
        (("strings", "printabledist"), "strings has no 'printabledist'"),
        (("general", "vsize"), "general has no 'vsize'"),
        (("header", "coff"), "header has no 'coff'"),
        (("header", "coff", "machine"), "header.coff has no 'machine'"),
        (("header", "optional", "sizeof_code"), "header.optional has no 'sizeof_code'"),
        (("section", "entry"), "section has no 'entry'"),
        (("section", "sections", 1, "props"), "section.sections[1] has no 'props'"),
    ],
)
def test_a_missing_key_is_named(make_row, path, message):
    row = make_row()
    drop(row, path)
    assert message in message_of(row)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("histogram",), [1] * 255, "histogram has 255 entries, not 256"),
        (("byteentropy",), [1] * 257, "byteentropy has 257 entries, not 256"),
        (("strings", "printabledist"), [0] * 95, "strings.printabledist has 95 entries, not 96"),
        (("histogram",), [0] * 256, "histogram counts nothing"),
        (("byteentropy", 3), -1, "byteentropy[3] is -1; it must be a finite number of at least 0"),
        (("histogram", 200), math.nan, "histogram[200] is nan"),
        (("histogram", 200), math.inf, "histogram[200] is inf"),
        (("histogram", 0), "4", "histogram[0] is '4', not a number"),
        (("histogram", 0), None, "histogram[0] is None, not a number"),
        (("histogram",), {"0": 1}, "histogram is {'0': 1}, not a list"),
        (("strings", "avlength"), math.nan, "strings.avlength is nan"),
        (("strings", "MZ"), -2, "strings.MZ is -2"),
        (("strings",), 3, "strings is 3, not a JSON object"),
        (("strings",), [], "strings is [], not a JSON object"),
        (("general", "size"), True, "general.size is True, not a number"),
        (("general", "size"), 10**400, "general.size is 1000"),
        (("header",), None, "header is None, not a JSON object"),
        (("header", "coff"), [], "header.coff is [], not a JSON object"),
        (("header", "coff", "timestamp"), -5, "header.coff.timestamp is -5"),
        (("header", "coff", "machine"), 332, "header.coff.machine is 332, not a text"),
        (("header", "coff", "characteristics"), "DLL", "characteristics is 'DLL', not a list"),
        (("header", "coff", "characteristics", 1), 9, "characteristics[1] is 9, not a text"),
        (("header", "optional", "magic"), None, "header.optional.magic is None, not a text"),
        (("header", "optional", "sizeof_headers"), "1", "header.optional.sizeof_headers is '1'"),
        (("section",), [], "section is [], not a JSON object"),
        (("section", "sections"), {}, "section.sections is {}, not a list"),
        (("section", "sections", 0), [], "section.sections[0] is [], not a JSON object"),
        (("section", "sections", 0, "name"), 1, "section.sections[0].name is 1, not a text"),
        (("section", "sections", 1, "size"), -1, "section.sections[1].size is -1"),
        (("section", "sections", 0, "entropy"), math.nan, "section.sections[0].entropy is nan"),
        (("section", "sections", 0, "props"), "MEM", "section.sections[0].props is 'MEM'"),
        (("section", "sections", 0, "props", 2), 4, "section.sections[0].props[2] is 4"),
        (("imports",), [], "imports is [], not a JSON object"),
        (("imports", "KERNEL32.dll"), "Sleep", "imports['KERNEL32.dll'] is 'Sleep', not a list"),
        (("imports", "KERNEL32.dll", 1), 17, "imports['KERNEL32.dll'][1] is 17, not a text"),
        (("exports",), "DllMain", "exports is 'DllMain', not a list"),
        (("exports", 0), None, "exports[0] is None, not a text"),
        (("label",), 2, "label is 2"),
        (("label",), "1", "label is '1'"),
        (("label",), True, "label is True"),
        (("label",), None, "label is None"),
        (("appeared",), 2017, "appeared is 2017, not a text"),
        (("sha256",), "ab", "sha256 is 'ab', not 64 hexadecimal digits"),
        (("sha256",), "z" * 64, "not 64 hexadecimal digits"),
        (("sha256",), "a" * 62 + "  ", "not 64 hexadecimal digits"),
        (("sha256",), 5, "sha256 is 5"),
    ],
)
def test_a_wrong_value_is_named_with_its_key(make_row, path, value, message):
    row = make_row()
    put(row, path, value)
    assert message in message_of(row)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("datadirectories",), {}, "datadirectories is {}, not a list"),
        (("datadirectories", 0), 3, "datadirectories[0] is 3, not a JSON object"),
        (("datadirectories", 1, "size"), -3, "datadirectories[1].size is -3"),
        (("datadirectories", 1), {"size": 1}, "datadirectories[1] has no 'virtual_address'"),
    ],
)
def test_data_directories_are_checked(make_row, path, value, message):
    row = make_row(version=2)
    put(row, path, value)
    assert message in message_of(row, version=2)


@pytest.mark.parametrize(("declared", "carried"), [(1, 2), (2, 1)])
def test_the_wrong_feature_version_names_the_right_one(make_row, declared, carried):
    with pytest.raises(FeatureVersionError, match=f"set version: {carried} for this dataset"):
        check_row(make_row(version=carried), declared, WHERE)


@pytest.mark.parametrize("row", [[], 3, None, "row"])
def test_a_line_that_is_no_object_is_refused(row):
    assert "a row is a JSON object" in message_of(row)


def paths_to_numbers(value, path=()):
    """Every number of a row that a column comes from."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from paths_to_numbers(part, (*path, key))
    elif isinstance(value, list):
        for key, part in enumerate(value):
            yield from paths_to_numbers(part, (*path, key))
    elif isinstance(value, int | float) and path[-1] != "label":
        yield path


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_no_bad_number_gets_through(make_row, data):
    row = copy.deepcopy(make_row(version=2))
    path = data.draw(st.sampled_from(list(paths_to_numbers(row))))
    bad = data.draw(
        st.one_of(
            st.integers(max_value=-1),
            st.floats(max_value=-1e-300, allow_nan=False),
            st.sampled_from([math.nan, math.inf, -math.inf, None, "1", [1]]),
        )
    )
    put(row, path, bad)
    message = message_of(row, version=2)
    named = next(key for key in reversed(path) if isinstance(key, str))
    assert named in message


def test_all_sample_rows_pass(sample_folder):
    from dokunuki.corpus.protocol import BadRow
    from dokunuki.corpus.release import open_release

    rows = list(open_release(sample_folder, 1).scan())
    assert len(rows) == 736
    assert not any(isinstance(row, BadRow) for row in rows)
