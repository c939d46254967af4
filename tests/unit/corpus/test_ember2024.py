"""Feature version 3: its vectors, held against a real row's and against a plain reference."""

from __future__ import annotations

import hashlib
from copy import deepcopy

import numpy as np
import orjson
import pytest

from dokunuki.corpus.layout import feature_layout
from dokunuki.corpus.vectoriser import vectorise
from ember2024_rows import raw_row_3, reference_vector

LAYOUT = feature_layout(3)
# What the release's own code makes of the fixture's row.
SHA256 = "914f66c83e70cd994501e8c3478c83c41122492bbb4aad5d2b3e16751df99f56"


@pytest.fixture(scope="module")
def real_row(ember2024_folder):
    return orjson.loads((ember2024_folder / "dot_net_benign.jsonl").read_bytes())


@pytest.fixture
def row():
    return raw_row_3(np.random.default_rng(5), 0)


def same_bits(found, expected):
    np.testing.assert_array_equal(found.view(np.uint32), expected.view(np.uint32))


def columns(row, *names):
    return vectorise([row], 3)[0, LAYOUT.indices(names)].tolist()


def test_the_real_row_bit_for_bit(real_row, ember2024_folder):
    found = vectorise([real_row], 3)
    assert (found.dtype, found.shape) == (np.float32, (1, 2568))
    same_bits(found[0], np.load(ember2024_folder / "dot_net_benign_vector.npy"))
    assert hashlib.sha256(found.tobytes()).hexdigest() == SHA256
    assert hashlib.sha256(reference_vector(real_row).tobytes()).hexdigest() == SHA256


def test_real_rows_of_ember_2018_bit_for_bit(ember2018_folder):
    lines = (ember2018_folder / "ember2018_three_rows.jsonl").read_bytes().splitlines()
    found = vectorise([orjson.loads(line) for line in lines], 2)
    assert found.shape == (3, 2381)
    assert hashlib.sha256(found.tobytes()).hexdigest() == (
        "5c32836f1d07220b745f4fffceba72a4c02955a922fb05d36bd9a59f6d75c0a6"
    )


def test_batches_equal_the_reference_row_by_row():
    rng = np.random.default_rng(24)
    rows = [raw_row_3(rng, n % 2, program=n % 7 != 3) for n in range(150)]
    same_bits(vectorise(rows, 3), np.stack([reference_vector(row) for row in rows]))


def test_files_of_other_kinds_have_numbers_in_696_columns_alone():
    rng = np.random.default_rng(2)
    X = vectorise([raw_row_3(rng, 1, program=False) for _ in range(3)], 3)
    assert not X[:, LAYOUT.groups["header"].start :].any()
    assert columns(raw_row_3(rng, 0, program=False), "is_pe", "start_byte_0") == [0, 127]
    assert vectorise([], 3).shape == (0, 2568)


def test_the_last_directory_is_never_written(row):
    known = ("EXPORT", "IMPORT", "RESOURCE")
    said = {"has_relocs": 1, "has_dynamic_relocs": 0}
    listed = [
        {"name": name, "size": 10 + n, "virtual_address": 4096 * n} for n, name in enumerate(known)
    ]
    row["datadirectories"] = [said, *listed]
    sizes = [f"{name.lower()}_directory_size" for name in known]
    assert columns(row, *sizes, "has_relocs") == [10, 11, 0, 1]
    # By name, wherever they stand; alone behind what is said first, one is the last.
    row["datadirectories"] = [said, listed[2], listed[0]]
    assert columns(row, *sizes) == [0, 0, 12]
    row["datadirectories"] = [said, listed[0]]
    assert columns(row, *sizes, "has_relocs") == [0, 0, 0, 1]


def test_the_least_of_the_sections_is_0(row):
    for part in row["section"]["sections"]:
        part |= {"entropy": 5.5, "size_ratio": 0.5, "vsize_ratio": 2.0}
    row["section"]["overlay"] |= {"entropy": 7.5, "size_ratio": 0.25}
    names = [
        f"{bound}_section_{key}"
        for key in ("entropy", "size_ratio", "vsize_ratio")
        for bound in ("max", "min")
    ]
    # The overlay counts among entropies and sizes.
    assert columns(row, *names) == [7.5, 0, 0.5, 0, 2, 0]


@pytest.mark.parametrize(("exports", "width"), [([], 0), (["f"], 128), (["f", "g"], 128)])
def test_the_number_of_exports_is_the_width_of_their_hashes(row, exports, width):
    row["exports"] = exports
    assert columns(row, "exports_width") == [width]


def test_unknown_machines_are_0_and_unknown_flags_say_nothing(row):
    row["header"]["coff"] |= {"machine": "IMAGE_FILE_MACHINE_NEW", "characteristics": ["NEW"]}
    row["header"]["optional"] |= {"subsystem": "IMAGE_SUBSYSTEM_WINDOWS_CUI"}
    assert columns(row, "machine", "subsystem", "coff_dll") == [0, 3, 0]


def test_imports_are_counted_and_never_subtracted(row):
    row["imports"] = {"A.DLL": ["f", "g"], "a.dll": ["f", "a.dll:ordinal3"], "b.dll": []}
    assert columns(row, "num_imported_functions", "num_imported_libraries") == [4, 2]
    X = vectorise([row], 3)[0]
    libraries, functions, end = (
        LAYOUT.index("import_libraries_hash_0"),
        LAYOUT.index("import_functions_hash_0"),
        LAYOUT.groups["imports"].stop,
    )
    assert sorted(X[libraries:functions][X[libraries:functions] != 0]) == [1, 1]
    assert X[functions:end].min() == 0
    assert X[functions:end].sum() == 4


def test_a_number_without_its_pair_is_left_out_of_the_rich_header(row):
    row["richheader"] = [1, 5, 2, 7, 3]
    whole = deepcopy(row)
    whole["richheader"] = [1, 5, 2, 7]
    same_bits(vectorise([row], 3), vectorise([whole], 3))
    assert columns(row, "num_rich_pairs") == [2]


def test_a_signing_time_before_the_time_stamp_stays_negative(row):
    row["authenticode"]["signing_time_diff"] = -86_400
    assert columns(row, "signing_time_diff") == [-86_400]


def test_the_fixture_counts_what_the_specification_says(real_row):
    X = vectorise([real_row], 3)[0]
    assert np.count_nonzero(X) == 584
    expected = {"size": 369_152, "file_entropy": 5.9946547, "machine": 1, "subsystem": 3}
    for name, value in expected.items():
        assert X[LAYOUT.index(name)] == np.float32(value)
