from __future__ import annotations

import json
import random

import pytest

from dokunuki.corpus.parsing import parse_row
from dokunuki.corpus.quick_check import Identity, quick_identity
from dokunuki.errors import CorpusError


def passes_the_full_check(line, version):
    try:
        return parse_row(line, version, "x:1")
    except CorpusError:
        return None


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_usual_row_is_passed(make_row, version, end):
    row = make_row(3, 1, version=version)
    if version == 2:
        row |= {"avclass": "zbot", "md5": "0" * 32}
    avclass = "zbot" if version == 2 else ""
    expected = Identity(bytes.fromhex(row["sha256"]), 1, row["appeared"], avclass)
    assert quick_identity(json.dumps(row).encode() + end, version) == expected


def test_every_real_row_is_passed(sample_folder):
    for file in sample_folder.glob("*.jsonl"):
        for line in file.read_bytes().splitlines():
            assert quick_identity(line, 1).digest.hex() == json.loads(line)["sha256"]


def test_an_unusual_row_is_left_to_the_full_check(make_row):
    line = json.dumps(make_row() | {"remark": 1}).encode()
    assert quick_identity(line, 1) is None
    assert passes_the_full_check(line, 1)


@pytest.mark.parametrize("version", [1, 2])
def test_it_passes_nothing_that_the_full_check_refuses(make_row, version):
    """Damage at random: bytes replaced, left out and put in."""
    sound = json.dumps(make_row(version=version)).encode()
    draw = random.Random(version)
    pieces = [
        b'"',
        b",",
        b"0",
        b"-",
        b"1e999",
        b"\xff",
        b"\x01",
        b"\\ud800",
        b"null",
        b"[",
        b" ",
        b".",
    ]
    passed = 0
    for _ in range(4000):
        line = bytearray(sound)
        for _ in range(draw.randint(1, 2)):
            start = draw.randrange(len(line))
            line[start : start + draw.randint(0, 2)] = draw.choice(pieces)
        identity = quick_identity(bytes(line), version)
        if identity is not None:
            passed += 1
            row = passes_the_full_check(bytes(line), version)
            assert row is not None, bytes(line)
            assert identity[:3] == (
                bytes.fromhex(row["sha256"]),
                row["label"],
                row["appeared"],
            )
    assert 100 < passed < 3900
