from __future__ import annotations

from copy import deepcopy

import orjson
import pytest

from invariants import check_invariants, check_layout
from simember.generator import SimulatedSpec, iterate_rows


@pytest.fixture(scope="module")
def good_row():
    for row, _ in iterate_rows(SimulatedSpec(rows=200, seed=2)):
        if row["general"]["has_resources"] and row["imports"] and row["strings"]["printables"] > 50:
            return row
    raise AssertionError("no row fits")


def test_real_rows_keep_the_invariants(sample_folder):
    rows = 0
    for path in sorted(sample_folder.glob("*_features*.jsonl")):
        for line in path.read_bytes().splitlines():
            assert check_invariants(orjson.loads(line), 1) == []
            rows += 1
    assert rows == 736


def more_bytes(row):
    row["histogram"][7] += 1


def moved_window(row):
    table = row["byteentropy"]
    place = next(i for i, count in enumerate(table) if count)
    table[place] -= 1
    table[(place + 16) % 256] += 1


def wrong_line(row):
    table = row["byteentropy"]
    filled = [line for line in range(16) if any(table[16 * line : 16 * line + 16])]
    line = filled[0]
    moved = table[16 * line : 16 * line + 16]
    table[16 * line : 16 * line + 16] = [0] * 16
    for i, count in enumerate(moved):
        table[240 + i] += count


def lost_window(row):
    place = max(range(256), key=row["byteentropy"].__getitem__)
    row["byteentropy"][place] -= 1


def more_characters(row):
    row["strings"]["printabledist"][3] += 1


def impossible_characters(row):
    strings = row["strings"]
    extra = row["histogram"][0x20 + 95] + 1 - strings["printabledist"][95]
    strings["printabledist"][95] += extra
    strings["printables"] += extra


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (more_bytes, "histogram sums to"),
        (moved_window, "whole windows"),
        (wrong_line, "less than it says"),
        (lost_window, "byteentropy sums to"),
        (more_characters, "printabledist sums to"),
        (impossible_characters, "more often than histogram"),
        (lambda row: row["strings"].update(avlength=3.0), "avlength"),
        (lambda row: row["strings"].update(entropy=0.5), "string entropy"),
        (lambda row: row["strings"].update(MZ=0), "MZ is 0"),
        (lambda row: row["strings"].update(urls=10**6), "urls"),
        (lambda row: row["strings"].update(paths=10**7), "paths"),
        (lambda row: row["strings"].update(registry=10**6), "registry"),
        (lambda row: row["general"].update(imports=10**5), "imports is"),
        (lambda row: row["general"].update(exports=10**5), "exports is"),
        (lambda row: row["general"].update(symbols=10**8), "symbols"),
        (lambda row: row["imports"].update({"x.dll": []}), "without functions"),
        (lambda row: row["section"].update(entry=".nowhere"), "not in the table"),
        (lambda row: row["section"]["sections"][0].update(entropy=8.5), "has entropy"),
        (lambda row: row["section"]["sections"][0].update(vsize=1 << 40), "larger in memory"),
        (lambda row: row["header"]["optional"].update(sizeof_code=1 << 40), "sizeof_code"),
        (lambda row: row["header"]["optional"].update(magic="PE64"), None),
        (
            lambda row: row["header"]["coff"].update(machine="ALPHA", characteristics=[]),
            "EXECUTABLE",
        ),
        (lambda row: row["header"]["coff"].update(timestamp=1 << 33), "32 bits"),
    ],
)
def test_damage_is_found(good_row, damage, message):
    row = deepcopy(good_row)
    assert check_invariants(row, 1) == []
    damage(row)
    found = check_invariants(row, 1)
    if message is not None:
        assert any(message in sentence for sentence in found), found


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda row: row["header"]["optional"].update(sizeof_headers=1 << 30), "headers and"),
        (lambda row: row["general"].update(vsize=4096), "in memory"),
        (lambda row: row["section"]["sections"][0].update(name="a long name"), "8 bytes"),
        (
            lambda row: row["header"]["coff"]["characteristics"].append("RELOCS_STRIPPED"),
            None,
        ),
    ],
)
def test_a_broken_layout_is_found(good_row, damage, message):
    row = deepcopy(good_row)
    assert check_layout(row) == []
    damage(row)
    if message is not None:
        assert any(message in sentence for sentence in check_layout(row))


def test_relocations_cannot_be_stripped_and_there(good_row):
    row = deepcopy(good_row)
    row["general"]["has_relocations"] = 1
    row["header"]["coff"]["characteristics"] = ["EXECUTABLE_IMAGE", "RELOCS_STRIPPED"]
    assert any("stripped" in sentence for sentence in check_layout(row))


def test_machine_and_magic_must_agree(good_row):
    row = deepcopy(good_row)
    row["header"]["coff"]["machine"] = "AMD64"
    row["header"]["optional"]["magic"] = "PE32"
    assert any("does not go with" in sentence for sentence in check_invariants(row, 1))
