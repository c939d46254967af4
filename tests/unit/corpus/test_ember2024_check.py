"""Rows of feature version 3: what is refused, by which words, and what is known of a sound one."""

from __future__ import annotations

import json

import numpy as np
import orjson
import pytest

from dokunuki.corpus.index import build_index
from dokunuki.corpus.quick_check import quick_identity, row_identity
from dokunuki.corpus.release import open_release
from dokunuki.corpus.sampling import draw_sample
from dokunuki.corpus.validation import FeatureVersionError, check_row
from dokunuki.corpus.vectors import vectorise_split
from dokunuki.errors import CorpusError
from ember2024_rows import raw_row_3, reference_vector

WHERE = "train_features_0.jsonl:3"


def rows(number, seed=4, **form):
    rng = np.random.default_rng(seed)
    return [raw_row_3(rng, n % 2, **form) for n in range(number)]


@pytest.fixture
def row():
    return rows(1)[0]


def test_the_real_row_is_sound(ember2024_folder):
    line = (ember2024_folder / "dot_net_benign.jsonl").read_bytes()
    row = orjson.loads(line)
    check_row(row, 3, WHERE)
    found = row_identity(row, 3)
    assert (found.digest.hex(), found.label, found.appeared, found.avclass) == (
        "002bafa236ab2488ca15a6ba7691ffafc88e9c6f3394626eab305672e13ba88a",
        0,
        "2023-09-26",
        "",
    )
    assert quick_identity(line, 3) == found


def test_made_up_rows_are_sound_and_identified_alike_by_both_checks():
    for row in rows(60):
        check_row(row, 3, WHERE)
        assert quick_identity(json.dumps(row).encode(), 3) == row_identity(row, 3)


def test_rows_of_other_files_need_the_slower_check():
    for row in rows(4, program=False):
        check_row(row, 3, WHERE)
        assert quick_identity(json.dumps(row).encode(), 3) is None


def test_what_a_row_need_not_tell(row):
    for key in ("label", "family", "first_submission_date"):
        del row[key]
    check_row(row, 3, WHERE)
    assert row_identity(row, 3)[1:4] == (-1, "", "")


def changed(path, value):
    """A change of a row: the value at `path`, which is taken away where there is no new one."""

    def change(row):
        *parents, last = path
        for key in parents:
            row = row[key]
        if value is ...:
            del row[last]
        else:
            row[last] = value

    return change


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["histogram"], ..., "the row: object missing required field `histogram`"),
        (["histogram"], [0] * 256, "histogram counts nothing"),
        (["byteentropy"], [1] * 255, "byteentropy: expected `array` of length 256, got 255"),
        (["histogram", 3], -1, r"histogram\[3\]: expected `int` >= 0"),
        (["histogram", 3], 2.5, r"histogram\[3\]: expected `int`, got `float`"),
        (["sha256"], "00", "sha256: expected `str` matching"),
        (["label"], 2, "label: expected `int` <= 1"),
        (["label"], True, "label: expected `int . null`, got `bool`"),
        (["general", "size"], 1e39, r"general\.size: expected `float` <= 1e\+30"),
        (["general", "entropy"], float("nan"), r"general\.entropy: expected `float`"),
        (["general", "start_bytes"], [77, 90], r"general\.start_bytes: .*length 4, got 2"),
        (["general", "is_pe"], 3, r"general\.is_pe: expected `int` <= 1"),
        (["strings", "string_counts", "onclick"], 1, r"string_counts: .*'onclick'"),
        (["header", "dos", "e_magic"], ..., r"header\.dos: .*missing required field `e_magic`"),
        (["header", "optional", "image_base"], "0", r"header\.optional\.image_base: .*got `str`"),
        (["header"], [], "header: expected `object`, got `array`"),
        (["section", "sections", 0, "size"], 1.5, r"section\.sections\[0\]\.size: .*`int`"),
        (["section", "overlay"], ..., "section: object missing required field `overlay`"),
        (["imports", "x.dll"], [7], "imports.*expected `str`, got `int`"),
        (["datadirectories", 0, "has_relocs"], ..., r"datadirectories\[0\] has no 'has_relocs'"),
        (["datadirectories", 1, "size"], ..., r"datadirectories\[1\] has no 'size'"),
        (["datadirectories", 1, "name"], "ARCHITECTURE", r"datadirectories\[1\]\.name: .*'ARCH"),
        (["richheader"], [1, -2], r"richheader\[1\]: expected `int` >= 0"),
        (["authenticode", "num_certs"], -1, r"authenticode\.num_certs: expected `float` >= 0"),
        (["authenticode", "signing_time_diff"], -1e39, r"signing_time_diff: expected `float` >="),
        (["pefilewarnings"], ["Unheard of..."], r"pefilewarnings\[0\]: .*'Unheard of"),
    ],
)
def test_faults_are_named_by_their_key(row, path, value, message):
    row["datadirectories"] += [{"name": "TLS", "size": 1, "virtual_address": 2}] * 2
    check_row(row, 3, WHERE)
    changed(path, value)(row)
    with pytest.raises(CorpusError, match=f"^{WHERE}: .*{message}"):
        check_row(row, 3, WHERE)
    # The quick check passes nothing that the other refuses.
    assert quick_identity(json.dumps(row).encode(), 3) is None


@pytest.mark.parametrize("declared", [1, 2])
def test_another_version_is_told(row, make_row, declared):
    with pytest.raises(FeatureVersionError, match=r"carries 'pefilewarnings'.*set version: 3"):
        check_row(row, declared, WHERE)
    with pytest.raises(FeatureVersionError, match=rf"does not carry.*set version: {declared}"):
        check_row(make_row(version=declared), 3, WHERE)


def test_from_a_release_to_vectors(write_folder):
    held = rows(24)
    release = open_release(write_folder({"train_features_0.jsonl": held}), 3)
    index, report = build_index(release)
    assert report["rows"]["usable"] == 24
    assert min(index.told("appeared")) >= "2023-09-24"
    assert "zbot" in index.families
    vectors = vectorise_split(
        release, index, draw_sample(index, 16, 0.5, 2, seed=1), dataset="third"
    )
    by_sha256 = {row["sha256"]: row for row in held}
    expected = np.stack([reference_vector(by_sha256[sha256]) for sha256 in vectors.sha256])
    np.testing.assert_array_equal(vectors.X, expected)
    assert vectors.layout.version == 3
