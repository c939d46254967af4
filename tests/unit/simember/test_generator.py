from __future__ import annotations

import csv
from collections import Counter
from dataclasses import replace
from itertools import islice

import numpy as np
import orjson
import pytest

from dokunuki.corpus.layout import DATA_DIRECTORIES
from dokunuki.corpus.validation import check_row
from dokunuki.corpus.vectoriser import vectorise
from dokunuki.errors import ConfigError
from invariants import check_invariants, check_layout
from simember.archetypes import GOODWARE, TOOLCHAINS
from simember.families import draw_family, popularity
from simember.flags import section_flags
from simember.generator import (
    SimulatedSpec,
    file_rows,
    iterate_rows,
    write_corpus,
)

SMALL = SimulatedSpec(rows=240, families=40, vendors=50, seed=5)
FILES = [*(f"train_features_{i}.jsonl" for i in range(6)), "test_features.jsonl"]


@pytest.mark.parametrize("version", [1, 2])
def test_every_row_keeps_the_invariants(version):
    seen = set()
    for row, _ in iterate_rows(SimulatedSpec(rows=600, version=version, seed=11)):
        assert check_invariants(row, version) == []
        assert check_layout(row) == []
        check_row(row, version, "simulated")
        seen.add(row["sha256"])
    assert len(seen) == 600


def test_same_seed_same_bytes_with_any_number_of_workers(tmp_path):
    spec = replace(SMALL, rows=520)
    write_corpus(tmp_path / "one", spec)
    write_corpus(tmp_path / "two", spec, workers=2)
    for name in [*FILES, "metadata.csv"]:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    other = replace(spec, seed=6)
    assert next(iterate_rows(spec)).row != next(iterate_rows(other)).row


def test_the_folder_is_a_release(tmp_path):
    write_corpus(tmp_path, SMALL)
    written = [*FILES, "metadata.csv", *(f"{name}.sha256" for name in FILES)]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(written)
    rows = {name: (tmp_path / name).read_bytes().splitlines() for name in FILES}
    assert [len(rows[name]) for name in FILES] == [32] * 6 + [48]
    for name in FILES:
        labels = [orjson.loads(line)["label"] for line in rows[name]]
        assert sum(labels) == len(labels) // 2
    with (tmp_path / "metadata.csv").open(encoding="utf-8", newline="") as file:
        metadata = list(csv.DictReader(file))
    flat = [orjson.loads(line) for name in FILES for line in rows[name]]
    assert [line["sha256"] for line in metadata] == [row["sha256"] for row in flat]
    assert [int(line["label"]) for line in metadata] == [row["label"] for row in flat]
    assert metadata[0]["file"] == "train_features_0"
    assert {line["archetype"].split("-")[0] for line in metadata} <= set(TOOLCHAINS)


def test_nothing_is_left_when_writing_fails(tmp_path, monkeypatch):
    monkeypatch.setattr("simember.generator._chunk", lambda *_: pytest.fail("disk full"))
    with pytest.raises(pytest.fail.Exception):
        write_corpus(tmp_path / "corpus", SMALL)
    assert list((tmp_path / "corpus").iterdir()) == []


def test_version_2_names_families_and_ordinals():
    families, ordinals = set(), 0
    for row, metadata in islice(iterate_rows(replace(SMALL, version=2)), 150):
        assert (row["avclass"] != "") == (row["label"] == 1)
        assert row["avclass"] in ("", metadata[3])
        assert [entry["name"] for entry in row["datadirectories"]] == list(DATA_DIRECTORIES)
        assert len(row["md5"]) == 32
        families.add(row["avclass"])
        listed = [name for functions in row["imports"].values() for name in functions]
        ordinals += sum(name.startswith("ordinal") for name in listed)
        assert "" not in listed
    assert len(families) > 10
    assert ordinals > 100


def test_both_versions_describe_the_same_programs():
    first, second = (next(iterate_rows(replace(SMALL, version=v))).row for v in (1, 2))
    assert first["histogram"] == second["histogram"]
    assert first["section"] == second["section"]
    assert first["sha256"] != second["sha256"]


def test_malware_share_and_files():
    labels = [row["label"] for row, _ in iterate_rows(replace(SMALL, malware_share=0.25))]
    assert sum(labels) == 6 * 8 + 12
    assert file_rows(10_000) == (1334, 1334, 1333, 1333, 1333, 1333, 2000)
    assert sum(file_rows(7)) == 7


def test_rows_can_be_drawn_from_any_place():
    everything = list(iterate_rows(replace(SMALL, rows=60)))
    assert list(iterate_rows(replace(SMALL, rows=60), 41, 55)) == everything[41:55]


def test_near_duplicates_exist_and_are_no_copies():
    rows, programs = [], []
    for row, metadata in iterate_rows(replace(SMALL, families=8, vendors=8)):
        rows.append(row)
        programs.append((metadata[2], metadata[3], metadata[4]))
    X = vectorise(rows, 1)
    assert len(np.unique(X, axis=0)) == len(rows)
    program, _ = Counter(programs).most_common(1)[0]
    same = [i for i, name in enumerate(programs) if name == program]
    sections = Counter(tuple(s["name"] for s in rows[i]["section"]["sections"]) for i in same)
    assert sections.most_common(1)[0][1] >= len(same) / 2

    def distance(a: int, b: int) -> float:
        shares = X[[a, b], :256] / X[[a, b], :256].sum(axis=1, keepdims=True)
        return float(np.abs(shares[0] - shares[1]).sum() / 2)

    strangers = [i for i in range(len(rows)) if programs[i][:2] != program[:2]]
    twins = [min(distance(a, b) for b in same if b != a) for a in same]
    others = [min(distance(a, b) for b in strangers) for a in same]
    assert np.median(twins) < 0.5 * np.median(others)
    assert min(twins) < 0.02  # hardly a byte moved


def test_overlap_lets_families_follow_the_other_class():
    def follow(overlap: float) -> float:
        families = [draw_family(1, 1, i, 60, overlap) for i in range(60)]
        return float(np.mean([family.content == 0 for family in families]))

    assert follow(0.0) == 0.0
    assert 0.15 < follow(0.4) < 0.65
    assert follow(1.0) == 1.0


def test_archetypes_are_shared_out_by_rows():
    shares = popularity(500)
    used: Counter[str] = Counter()
    for index in range(500):
        used[draw_family(3, 0, index, 500, 0.0).toolchain.name] += shares[index]
    wanted: Counter[str] = Counter()
    for use in GOODWARE:
        wanted[use.toolchain] += use.share / sum(use.share for use in GOODWARE)
    for toolchain, share in wanted.items():
        assert used[toolchain] == pytest.approx(share, abs=0.03)


@pytest.mark.parametrize(
    "change",
    [{"rows": 0}, {"malware_share": 1.5}, {"overlap": -0.1}, {"version": 4}, {"variants": 0}],
)
def test_bad_specifications_are_refused(change):
    with pytest.raises(ConfigError, match=next(iter(change))):
        replace(SMALL, **change)


def test_section_flags_as_the_parser_reports_them():
    assert section_flags(0x60000020) == ["CNT_CODE", "MEM_EXECUTE", "MEM_READ"]
    # Alignment 3 (four bytes) is taken for every value that shares a bit with it.
    assert set(section_flags(0xC0300040)) == {
        "CNT_INITIALIZED_DATA", "MEM_READ", "MEM_WRITE", "ALIGN_1BYTES", "ALIGN_2BYTES",
        "ALIGN_4BYTES", "ALIGN_16BYTES", "ALIGN_32BYTES", "ALIGN_64BYTES", "ALIGN_256BYTES",
        "ALIGN_512BYTES", "ALIGN_1024BYTES", "ALIGN_4096BYTES", "ALIGN_8192BYTES",
    }  # fmt: skip
