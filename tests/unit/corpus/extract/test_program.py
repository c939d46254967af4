"""Features of one program: the ember package's on real launchers, or else the release's."""

from __future__ import annotations

import importlib
import json

import lief
import numpy as np
import pytest

from dokunuki.corpus import ember_vectoriser
from dokunuki.corpus.extract.listing import ProgramError
from dokunuki.corpus.extract.program import byte_entropy, program_features
from dokunuki.corpus.layout import feature_layout
from dokunuki.corpus.validation import check_row
from dokunuki.corpus.vectoriser import vectorise
from made_up_programs import CODE, DATA, launchers, made_up_program

IDENTITY = {"sha256": "0" * 64, "appeared": "", "label": -1}


@pytest.fixture(params=launchers(), ids=lambda path: path.stem)
def launcher(request):
    return request.param.read_bytes()


def package_features(content):
    """The ember package's own raw features of version 2, group by group."""
    extractor = pytest.importorskip("ember").PEFeatureExtractor(2, print_feature_warning=False)
    binary = lief.PE.parse(list(content))
    return {part.name: part.raw_features(content, binary) for part in extractor.features}


def package_histogram(values):
    ember_features = pytest.importorskip("ember.features")
    return ember_features.ByteEntropyHistogram().raw_features(values.tobytes(), None)


def section_of(**settings):
    return program_features(made_up_program(**settings), 1)["section"]


@pytest.mark.parametrize("version", [1, 2])
def test_a_real_program_is_a_sound_row_in_the_keys_of_the_release(launcher, version):
    features = program_features(launcher, version)
    check_row({**IDENTITY, **features}, version, "here")
    keys = ["histogram", "byteentropy", "strings", "general", "header", "section", "imports"]
    assert list(features) == [*keys, "exports", *(["datadirectories"] if version == 2 else [])]


def test_raw_features_are_the_packages_but_for_names_of_newer_lief(launcher):
    ours, theirs = program_features(launcher, 2), package_features(launcher)
    optional, coff = theirs["header"]["optional"], theirs["header"]["coff"]
    flags = lief.PE.OptionalHeader.DLL_CHARACTERISTICS
    optional["dll_characteristics"] = [
        flags(int(number)).name for number in optional["dll_characteristics"]
    ]
    coff["characteristics"] = [
        name.replace("NEED_32BIT", "CHARA_32BIT") for name in coff["characteristics"]
    ]
    theirs["datadirectories"] = [
        {**directory, "name": directory["name"].removeprefix("TYPES.").removesuffix("_DIR")}
        for directory in theirs["datadirectories"][:15]
    ]
    assert ours == theirs


def test_vectors_are_the_packages_but_for_the_flags_of_the_header(launcher):
    ours = vectorise([{**IDENTITY, **program_features(launcher, 2)}], 2)
    theirs = ember_vectoriser.vectorise([{**IDENTITY, **package_features(launcher)}], 2)
    names = np.array(feature_layout(2).names)[np.flatnonzero((ours != theirs)[0])]
    assert {name.rpartition("_")[0] for name in names} <= {
        "characteristics_hash",
        "dll_characteristics_hash",
    }
    assert len(names)


@pytest.mark.parametrize("size", [1, 700, 2047, 2048, 3071, 3072, 40_000, 1_050_000])
@pytest.mark.parametrize("values", [2, 40, 256])
def test_windows_have_the_entropy_of_the_package(size, values):
    rng = np.random.default_rng(size)
    content = rng.integers(0, values, size, dtype=np.uint8)
    content[: size // 2] //= 3
    assert byte_entropy(content).ravel().tolist() == package_histogram(content)


def test_windows_of_the_highest_entropy_are_in_the_last_bin():
    content = np.tile(np.arange(256, dtype=np.uint8), 16)
    table = byte_entropy(content)
    assert table[15].sum() == table.sum() == 3 * 2048
    assert table.ravel().tolist() == package_histogram(content)


def test_flags_are_told_by_the_names_of_the_release():
    header = program_features(made_up_program(), 1)["header"]
    assert header["coff"]["characteristics"] == ["EXECUTABLE_IMAGE", "CHARA_32BIT_MACHINE"]
    assert header["coff"]["machine"] == "I386"
    assert header["optional"]["dll_characteristics"] == [
        "DYNAMIC_BASE",
        "NX_COMPAT",
        "TERMINAL_SERVER_AWARE",
    ]
    assert header["optional"]["subsystem"] == "WINDOWS_CUI"
    assert header["optional"]["magic"] == "PE32"


def test_numbers_without_a_name_are_question_marks_as_in_the_release(recwarn):
    header = program_features(made_up_program(machine=0x999, subsystem=77), 1)["header"]
    assert header["coff"]["machine"] == header["optional"]["subsystem"] == "???"
    assert not recwarn.list


def test_alignments_overlap_as_in_the_release():
    props = section_of(sections=[("text", CODE | 0x300000)])["sections"][0]["props"]
    assert {"ALIGN_1BYTES", "ALIGN_2BYTES", "ALIGN_4BYTES", "ALIGN_16BYTES"} <= set(props)
    assert "ALIGN_8BYTES" not in props


@pytest.mark.parametrize(
    ("bit", "names"), [(0x10000, set()), (0x20000, {"MEM_PURGEABLE", "MEM_16BIT"})]
)
def test_the_purgeable_bit_is_where_the_release_had_it(bit, names):
    props = set(section_of(sections=[("text", CODE | bit)])["sections"][0]["props"])
    assert props & {"MEM_PURGEABLE", "MEM_16BIT"} == names


def test_the_entry_section_is_the_first_executable_one_wherever_the_entry_point_is():
    sections = [("UPX0", CODE), ("UPX1", CODE)]
    assert section_of(sections=sections, entry=0x2010)["entry"] == "UPX0"
    assert section_of(sections=[("data", DATA), *sections], entry=0x9000)["entry"] == "UPX0"
    assert section_of(sections=[("data", DATA)], entry=0)["entry"] == ""


def test_the_entry_section_is_the_one_at_that_place_of_the_file_where_there_is_one():
    sections = [("first", CODE), ("second", DATA)]
    assert section_of(sections=sections, imagebase=0, entry=0x620)["entry"] == "second"


def test_bytes_beyond_ascii_are_written_out_as_in_the_release():
    section = section_of(sections=[(b"\x02\xd2u\xdb", CODE)])
    assert section["sections"][0]["name"] == section["entry"] == "\x02\\xd2u\\xdb"


def test_functions_imported_by_number_have_no_name_in_version_1():
    for path in launchers():
        content = path.read_bytes()
        older, newer = (program_features(content, version)["imports"] for version in (1, 2))
        assert older.keys() == newer.keys()
        for library, functions in newer.items():
            named = ["" if name.startswith("ordinal") else name for name in functions]
            assert older[library] == named


class FakeEntry:
    def __init__(self, name, ordinal=None):
        self.name, self.ordinal, self.is_ordinal = name, ordinal, ordinal is not None


class FakeBinary:
    """A library listed twice, functions by name and number, others loaded with a delay."""

    def __init__(self):
        entries = [FakeEntry("Send"), FakeEntry("", 7)]
        self.imports = [FakeLibrary("WS2.dll", entries), FakeLibrary("WS2.dll", entries[:1])]
        self.delay_imports = [FakeLibrary("late.dll", [FakeEntry("Late"), FakeEntry("", 3)])]
        self.imported_functions = ["Send", "recv", "Send", "Late"]
        self.exported_functions = self.symbols = []
        self.virtual_size = 4096
        self.has_debug = self.has_relocations = self.has_resources = False
        self.has_signatures = self.has_tls = False


class FakeLibrary:
    def __init__(self, name, entries):
        self.name, self.entries = name, entries


def test_imports_are_joined_by_library_and_numbers_have_names_in_version_2():
    program = importlib.import_module("dokunuki.corpus.extract.program")
    assert program._imports(FakeBinary(), ordinals=True) == {
        "WS2.dll": ["Send", "ordinal7", "Send"]
    }
    assert program._imports(FakeBinary(), ordinals=False) == {"WS2.dll": ["Send", "", "Send"]}


def test_functions_loaded_with_a_delay_are_not_counted():
    program = importlib.import_module("dokunuki.corpus.extract.program")
    assert program._general(FakeBinary(), 10)["imports"] == 3


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "empty"),
        (b"#!/bin/sh\n", "no_program"),
        (b"MZ", "no_program"),
        (b"MZ" + bytes(4000), "no_program"),
        (made_up_program()[:90], "no_program"),
    ],
    ids=["empty", "script", "two bytes", "only a DOS header", "cut off in the header"],
)
def test_what_is_no_program_is_refused(content, kind):
    with pytest.raises(ProgramError) as caught:
        program_features(content, 1)
    assert caught.value.kind == kind


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6, 0.9])
def test_a_program_cut_off_behind_its_headers_is_refused(launcher, share):
    with pytest.raises(ProgramError, match="cut off: its section") as caught:
        program_features(launcher[: int(len(launcher) * share)], 1)
    assert caught.value.kind == "truncated"


def test_only_the_last_padding_may_be_missing():
    content = made_up_program()
    assert program_features(content[:-100], 1)["general"]["size"] == len(content) - 100
    with pytest.raises(ProgramError, match="section 'text' goes to byte 1536, and the file has"):
        program_features(content[:-512], 1)


@pytest.mark.parametrize(
    "content",
    [
        b"\0",
        b"abcd\0efg",
        b"abcde",
        b"\0abcdef\0abcd\x7f\0~~~~~\x80",
        b"HTTP://a httPs://b http:/c C:\\x c:\\y HKEY_ hkey_ MZMZ mz",
        b"http://https://" * 3 + b"c:\\c:\\",
        np.random.default_rng(5).integers(0, 256, 60_000, dtype=np.uint8).tobytes(),
        np.random.default_rng(6).integers(0x1C, 0x84, 60_000, dtype=np.uint8).tobytes(),
    ],
    ids=["none", "short", "all", "edges", "words", "words in a row", "noise", "text"],
)
def test_strings_are_those_of_the_package(content):
    package = pytest.importorskip("ember.features").StringExtractor()
    program = importlib.import_module("dokunuki.corpus.extract.program")
    values = np.frombuffer(content, dtype=np.uint8)
    histogram = np.bincount(values, minlength=256)
    assert program._strings(content, values, histogram) == package.raw_features(content, None)


@pytest.fixture(scope="module")
def release_rows(sample_folder, ember2018_folder):
    files = [*sorted(sample_folder.glob("*.jsonl")), *sorted(ember2018_folder.glob("*.jsonl"))]
    return [json.loads(line) for path in files for line in path.open(encoding="utf-8")]


def test_names_are_spelled_as_in_the_releases_rows(release_rows):
    program = importlib.import_module("dokunuki.corpus.extract.program")
    pe = lief.PE
    spelled = {
        "machine": pe.Header.MACHINE_TYPES,
        "characteristics": pe.Header.CHARACTERISTICS,
        "subsystem": pe.OptionalHeader.SUBSYSTEM,
        "dll_characteristics": pe.OptionalHeader.DLL_CHARACTERISTICS,
        "magic": pe.PE_TYPE,
        "props": pe.Section.CHARACTERISTICS,
    }
    for key, members in spelled.items():
        used = set()
        for row in release_rows:
            parts = [*row["header"].values(), *row["section"]["sections"]]
            for value in (part[key] for part in parts if key in part):
                used.update([value] if isinstance(value, str) else value)
        assert used
        assert used <= {program._name(member) for member in members}, key


def test_the_entry_section_of_the_releases_rows_is_the_first_executable_one(release_rows):
    sections = [row["section"] for row in release_rows]
    first = [
        next((part["name"] for part in found["sections"] if "MEM_EXECUTE" in part["props"]), "")
        for found in sections
    ]
    same = sum(a == found["entry"] for a, found in zip(first, sections, strict=True))
    assert same >= 0.99 * len(sections)


def test_the_releases_rows_of_version_1_have_no_names_for_numbers(release_rows):
    for row in release_rows:
        names = [name for functions in row["imports"].values() for name in functions]
        numbered = [name for name in names if name.startswith("ordinal")]
        assert not numbered or "datadirectories" in row
