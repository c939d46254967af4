"""Simulated rows in the form of EMBER2024."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from itertools import pairwise

import numpy as np
import orjson
import pytest

from dokunuki.corpus.ember2024_layout import names
from dokunuki.corpus.layout import feature_layout
from dokunuki.corpus.validation import check_row
from dokunuki.corpus.vectoriser import vectorise
from invariants import check_version_3
from simember.generator import SimulatedSpec, iterate_rows, write_corpus
from simember.version3 import FIRST_WEEK, TEST_WEEKS, TRAIN_WEEKS, WEEK, _matches

SPEC = SimulatedSpec(rows=400, version=3, seed=11)


@pytest.fixture(scope="module")
def rows():
    return [row for row, _ in iterate_rows(SPEC)]


def test_every_row_keeps_the_invariants(rows):
    for row in rows:
        assert check_version_3(row) == []
        check_row(row, 3, "simulated")
    assert len({row["sha256"] for row in rows}) == len(rows)


def test_the_real_row_keeps_the_invariants(ember2024_folder):
    row = orjson.loads((ember2024_folder / "dot_net_benign.jsonl").read_bytes())
    assert check_version_3(row) == []


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda row: row["histogram"].__setitem__(3, 0), "histogram sums to"),
        (lambda row: row["general"].update(entropy=1.0), "entropy is 1.0"),
        (lambda row: row["general"].update(start_bytes=[77, 90, 1, 2]), "start_bytes"),
        (lambda row: row["strings"]["string_counts"].update(powershell=10**6), "more than"),
        (lambda row: row["section"]["sections"][0].update(size_ratio=2.0), "size_ratio"),
        (lambda row: row["section"]["sections"][0].update(vsize_ratio=2e9), "vsize_ratio"),
        (lambda row: row["section"]["overlay"].update(size_ratio=0.99), "overlay"),
        (lambda row: row["authenticode"].update(latest_signing_time=1), "by nobody"),
        (lambda row: row["datadirectories"].reverse(), "in the order"),
        (lambda row: row["pefilewarnings"].extend(["b", "a"]), "not sorted"),
    ],
)
def test_damage_is_found(rows, damage, message):
    row = deepcopy(next(row for row in rows if not row["authenticode"]["num_certs"]))
    damage(row)
    if message == "in the order":
        row["datadirectories"] = [{}, *row["datadirectories"][:-1]]
    assert any(message in sentence for sentence in check_version_3(row))


def test_the_keys_are_those_of_the_real_row(rows, ember2024_folder):
    real = orjson.loads((ember2024_folder / "dot_net_benign.jsonl").read_bytes())
    # The second copy of a row tells capabilities too.
    assert list(rows[0]) == [key for key in real if key not in ("caps", "ttps", "mbc")]
    for key in ("general", "header", "section", "authenticode"):
        assert rows[0][key].keys() == real[key].keys()
    for block in ("coff", "optional", "dos"):
        assert rows[0]["header"][block].keys() == real["header"][block].keys()
    assert rows[0]["section"]["sections"][0].keys() == real["section"]["sections"][0].keys()


def test_weeks_follow_the_files():
    weeks = {}
    for row, (_, file, *_) in iterate_rows(SPEC):
        weeks.setdefault(file, []).append(row["week_id"])
        within = row["first_submission_date"] - FIRST_WEEK - row["week_id"] * WEEK
        assert 0 <= within < WEEK
        assert (row["family"] is None) == (row["label"] == 0)
    assert [max(held) < TRAIN_WEEKS for held in weeks.values()] == [True] * 6 + [False]
    assert min(weeks["test_features"]) >= TRAIN_WEEKS
    assert max(weeks["test_features"]) < TRAIN_WEEKS + TEST_WEEKS
    ends = [(min(held), max(held)) for held in weeks.values()]
    assert all(earlier[1] <= later[0] + 1 for earlier, later in pairwise(ends))


def test_the_programs_are_those_of_version_2(rows):
    older = [row for row, _ in iterate_rows(replace(SPEC, version=2))]
    for row, old in zip(rows, older, strict=True):
        assert row["histogram"] == old["histogram"]
        assert row["byteentropy"] == old["byteentropy"]
        assert row["exports"] == old["exports"]
        assert list(row["imports"]) == list(old["imports"])
        assert len(row["section"]["sections"]) == len(old["section"]["sections"])
        # The certificate among its table's sizes and not behind it.
        signed = old["general"]["has_signature"]
        assert row["authenticode"]["num_certs"] == signed


def test_no_group_is_silent_and_both_classes_are_told(rows):
    layout = feature_layout(3)
    X = vectorise(rows, 3)
    for group, columns in layout.groups.items():
        assert (X[:, columns].std(axis=0) > 0).any(), group
    kinds = {row["file_type"] for row in rows}
    assert kinds == {"Win32", "Win64", "Dot_Net"}
    # Ordinals bear their library, so that the token hashed bears it twice.
    listed = [name for row in rows for functions in row["imports"].values() for name in functions]
    assert any(":ordinal" in name for name in listed)
    assert not any(name.startswith("ordinal") for name in listed)
    assert {word for row in rows for word in row["pefilewarnings"]} <= set(names().warnings)


def test_names_of_functions_match_patterns_by_their_words():
    def matching(name):
        return {names().string_counts[place] for place in _matches(name)}

    assert matching("CreateProcessW") == {"create", "process"}
    assert matching("CryptDecrypt") == {"crypt"}  # in this spelling alone
    assert matching("GetFileSize") == {"file"}  # `get` looks for GET /
    assert matching("Exit") == set()  # too short for a string


def test_same_seed_same_bytes_with_any_number_of_workers(tmp_path):
    spec = replace(SPEC, rows=520)
    write_corpus(tmp_path / "one", spec)
    write_corpus(tmp_path / "two", spec, workers=2)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_near_variants_share_what_the_program_decides(rows):
    counts = [tuple(sorted(row["header"]["dos"].items())) for row in rows]
    assert len(set(counts)) < 20
    by_program = {}
    for row, about in iterate_rows(replace(SPEC, families=6, vendors=6)):
        by_program.setdefault(about[3:5], []).append(row["richheader"])
    largest = max(by_program.values(), key=len)
    products = [tuple(sorted(set(np.array(found)[::2].tolist()))) for found in largest]
    assert len(set(products)) < len(products)
