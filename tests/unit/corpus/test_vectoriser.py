from __future__ import annotations

import numpy as np
import orjson
import pytest
from sklearn.feature_extraction import FeatureHasher

from dokunuki.corpus import batch
from dokunuki.corpus.batch import hash_columns, whole_numbers
from dokunuki.corpus.layout import feature_layout
from dokunuki.corpus.release import release_files
from dokunuki.corpus.vectoriser import vectorise

LAYOUT = feature_layout(1)


@pytest.fixture(scope="module")
def sample_rows(sample_folder):
    return [
        orjson.loads(line)
        for file in release_files(sample_folder)
        for line in file.read_bytes().splitlines()
    ]


def column(row, name, version=1):
    return vectorise([row], version)[0, feature_layout(version).index(name)]


def block(row, name):
    columns = [c for c, known in enumerate(LAYOUT.names) if known.startswith(f"{name}_hash_")]
    return vectorise([row], 1)[0, columns]


def hashed(width, tokens, input_type="string"):
    return FeatureHasher(width, input_type=input_type).transform([tokens]).toarray()[0]


def test_all_reference_vectors_bit_for_bit(sample_folder, sample_rows):
    with np.load(sample_folder / "reference_vectors.npz") as reference:
        X, sha256 = reference["X"], reference["sha256"]
    found = vectorise(sample_rows, 1)
    assert [row["sha256"] for row in sample_rows] == sha256.tolist()
    assert found.dtype == X.dtype
    assert found.shape == (736, 2351)
    np.testing.assert_array_equal(found.view(np.uint32), X.view(np.uint32))


def test_a_batch_changes_nothing(sample_rows):
    some = sample_rows[::9]
    one_by_one = np.concatenate([vectorise([row], 1) for row in some])
    np.testing.assert_array_equal(vectorise(some, 1).view(np.uint32), one_by_one.view(np.uint32))


@pytest.mark.parametrize(("version", "width"), [(1, 2351), (2, 2381)])
def test_an_empty_batch_has_the_right_width(version, width):
    assert vectorise([], version).shape == (0, width)
    assert vectorise([], version).dtype == np.float32


def test_plain_columns_worked_by_hand(make_row):
    row = make_row()
    expected = {
        "histogram_00": 0.5,
        "histogram_01": 0.25,
        "histogram_ff": 0.25,
        "byteentropy_f_f": 1 / 256,
        "numstrings": 2,
        "avlength": 8.5,
        "printables": 4,
        "printabledist_20": 0.75,
        "printabledist_21": 0.25,
        "printabledist_7f": 0,
        "string_entropy": 0.8125,
        "urls_count": 1,
        "registry_count": 2,
        "MZ_count": 3,
        "size": 14848,
        "has_signature": 1,
        "symbols": 5,
        "timestamp": np.float32(1510903278),
        "major_image_version": 1,
        "minor_subsystem_version": 8,
        "sizeof_heap_commit": 4096,
        "num_sections": 2,
        "num_zero_size_sections": 1,
        "num_unnamed_sections": 1,
        "num_read_and_execute_sections": 1,
        "num_write_sections": 1,
    }
    found = {name: column(row, name) for name in expected}
    assert found == expected


def test_no_printable_divides_by_one(make_row):
    row = make_row()
    row["strings"] |= {"printables": 0, "printabledist": [0] * 96}
    assert column(row, "printabledist_20") == 0


def test_hashed_columns(make_row):
    row = make_row()
    np.testing.assert_array_equal(block(row, "machine"), hashed(10, ["I386"]))
    np.testing.assert_array_equal(
        block(row, "characteristics"), hashed(10, ["DLL", "EXECUTABLE_IMAGE"])
    )
    np.testing.assert_array_equal(block(row, "dll_characteristics"), np.zeros(10))
    np.testing.assert_array_equal(
        block(row, "section_sizes"), hashed(50, [(".text", 13824), ("", 0)], "pair")
    )
    np.testing.assert_array_equal(
        block(row, "import_functions"),
        hashed(1024, ["kernel32.dll:ExitProcess", "kernel32.dll:Sleep", "mscoree.dll:_CorDllMain"]),
    )
    np.testing.assert_array_equal(block(row, "export"), hashed(128, ["DllMain"]))


@pytest.mark.parametrize("largest", [1.0, 2.0**60])
def test_sections_are_summed_as_the_release_summed_them(make_row, largest):
    """Sums of three or more numbers that are no whole ones depend on their order."""
    rng = np.random.default_rng(5)
    rows = [make_row(number) for number in range(12)]
    for number, row in enumerate(rows):
        row["section"]["sections"] = [
            {
                "name": str(rng.choice(["a", "b", "\ud800"])),
                "size": int(rng.integers(1 << 30)),
                "entropy": 8 * rng.random(),
                "vsize": largest * rng.random(),
                "props": [],
            }
            for _ in range(5 * number)
        ]
    X = vectorise(rows, 1)
    for column_block, key in (
        ("section_sizes", "size"),
        ("section_entropies", "entropy"),
        ("section_vsizes", "vsize"),
    ):
        for row, found in zip(rows, X[:, hash_columns(LAYOUT, column_block)], strict=True):
            pairs = [
                (part["name"].encode("utf-8", "surrogatepass"), part[key])
                for part in row["section"]["sections"]
            ]
            expected = hashed(50, pairs, "pair").astype(np.float32)
            np.testing.assert_array_equal(found, expected)


def test_hashes_are_let_go_of_and_stay_the_same(make_row, monkeypatch):
    rows = [make_row(number) for number in range(8)]
    for number, row in enumerate(rows):
        row["imports"] = {f"{n}.dll": [f"f{number}", "g"] for n in range(number)}
    expected = vectorise(rows, 1)
    monkeypatch.setattr(batch, "_KEPT_HASHES", 10)
    monkeypatch.setattr(batch._Hashes, "_tables", {})
    monkeypatch.setattr(batch._Hashes, "_kept", 0)
    np.testing.assert_array_equal(vectorise(rows, 1), expected)
    tables = batch._Hashes._tables
    assert sum(map(len, tables.values())) + batch._TABLE_HASHES * len(tables) <= 10


def test_the_entry_name_is_hashed_by_character(make_row):
    row = make_row()
    np.testing.assert_array_equal(block(row, "entry_name"), hashed(50, list(".text")))
    assert not np.array_equal(block(row, "entry_name"), hashed(50, [".text"]))


def test_a_missing_entry_section_leaves_zeros(make_row):
    row = make_row()
    row["section"]["entry"] = ""
    row["section"]["sections"] = row["section"]["sections"][:1]
    assert not block(row, "entry_name").any()
    assert not block(row, "entry_characteristics").any()


def test_all_sections_of_the_entrys_name_count(make_row):
    row = make_row()
    first = row["section"]["sections"][0]
    row["section"]["sections"] = [first, {**first, "props": ["MEM_WRITE"]}]
    np.testing.assert_array_equal(
        block(row, "entry_characteristics"), hashed(50, [*first["props"], "MEM_WRITE"])
    )


def test_a_library_counts_once_whatever_its_case(make_row):
    row = make_row()
    row["imports"] = {"A.DLL": ["f"], "a.dll": ["f"]}
    np.testing.assert_array_equal(block(row, "import_libraries"), hashed(256, ["a.dll"]))
    np.testing.assert_array_equal(
        block(row, "import_functions"), hashed(1024, ["a.dll:f", "a.dll:f"])
    )


def test_version_2_appends_the_data_directories(make_row):
    row = make_row(version=2)
    X = vectorise([row], 2)
    np.testing.assert_array_equal(X[:, :2351], vectorise([row], 1))
    directories = feature_layout(2).groups["datadirectories"]
    assert X[0, directories].tolist() == [11, 4096, 22, 8192] + [0] * 26
    assert column(row, "import_table_virtual_address", 2) == 8192


def test_a_sixteenth_data_directory_is_left_out(make_row):
    row = make_row(version=2)
    row["datadirectories"] = [{"size": n, "virtual_address": 100 + n} for n in range(16)]
    X = vectorise([row], 2)
    assert X[0, -2:].tolist() == [14, 114]


@pytest.mark.parametrize(
    "numbers",
    [
        [0, 1, 5000, 2**53 - 1],
        [2**62 + 1, -(2**63)],
        [2**63, 10**30, 0],  # beyond 64 bits
        [0.5, 3, 2.0],
        [True, False],
        [],
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_whole_numbers_are_what_numpy_makes_of_them_one_by_one(numbers, dtype):
    found = whole_numbers(iter(numbers), dtype)
    assert found.dtype == dtype
    assert np.array_equal(found, np.fromiter(numbers, dtype))
