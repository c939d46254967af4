"""Canaries: planted where they can be, kept apart from real backdoors, and judged by their rows."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
import yaml

import dokunuki
from dokunuki.attacks.poisoning import Poison
from dokunuki.audit.canaries import ground as module
from dokunuki.audit.canaries.ground import ground_of, ground_vectors, prepare_ground
from dokunuki.audit.canaries.measuring import judged, named, pass_rate, plant_canary
from dokunuki.audit.canaries.planned import (
    LEVELS,
    canary_spec,
    own_attacks,
    planned_canaries,
)
from dokunuki.audit.results import (
    AuditResult,
    Canary,
    Candidate,
    FeedChecks,
    Finding,
    Purification,
    Structure,
)
from dokunuki.corpus.layout import feature_layout
from dokunuki.corpus.layout_record import LayoutColumn, layout_of_columns
from dokunuki.corpus.vectors import Vectors
from dokunuki.errors import ConfigError
from dokunuki.parts.building import build
from dokunuki.storage.arrays import write_arrays
from dokunuki.storage.matrix import StoredMatrix
from dokunuki.study.configuration import load_config
from dokunuki.study.grid import Cell
from dokunuki.study.places import ROOT, WORKFLOW

NONE = np.empty(0, dtype=np.int64)
ROWS = 600
LOUD = Cell("badnets", 16, 5.0)


def layout_of(*, numbers: int = 20, hashes: int = 20):
    """Columns of a user's own: a histogram out of reach, numbers, and hashes."""
    kinds = [("bins", "real", False)] * 8 + [("numbers", "count", True)] * numbers
    kinds += [("words", "hash", True)] * hashes
    columns = [
        LayoutColumn(group, f"{group}_{place}", kind, attackable, False)
        for place, (group, kind, attackable) in enumerate(kinds)
    ]
    return layout_of_columns("made-up features", columns)


def feed_of(layout, rows: int = ROWS) -> Vectors:
    """Rows of two classes that overlap."""
    rng = np.random.default_rng(0)
    y = (np.arange(rows) % 2).astype(np.int8)
    X = rng.poisson(5 + 60 * rng.random((rows, layout.width)))
    X += (y[:, None] * rng.integers(0, 12, layout.width)).astype(int)
    nothing = np.full(rows, "")
    train = np.full(rows, "train")
    return Vectors(X.astype(np.float32), y, nothing, nothing, train, layout, "feed", "rows")


def finding(rows, columns=(8, 9, 10), outcome="proved") -> Finding:
    columns = np.asarray(columns)
    candidate = Candidate(
        columns, np.ones(len(columns), np.float32), np.asarray(rows),
        Structure(0.1, 0.0, 1.0, 0.1), True, False, ("shared values",),
    )  # fmt: skip
    names = tuple(f"numbers_{column}" for column in columns)
    return Finding(candidate, names, 0.9, 0.1, 0.05, 0.01, outcome)


def result_of(*triggers, rows: int = ROWS, left_out=NONE) -> AuditResult:
    checks = FeedChecks(rows // 2, rows // 2, NONE, NONE, NONE, NONE, ())
    outcomes = {one.outcome for one in triggers}
    verdict = next((o for o in ("proved", "suspicious") if o in outcomes), "nothing proved")
    return AuditResult(
        verdict, ("as said",), checks, 0.9, None, triggers, (), Purification(left_out, NONE)
    )


def poison_of(rows, columns) -> Poison:
    values = np.full((len(rows), len(columns)), 99, dtype=np.float32)
    labels = np.zeros(len(rows), dtype=np.int8)
    return Poison(np.asarray(rows), np.asarray(columns), values, labels, ROWS, 1)


class Threshold:
    """A detector that calls malware what has little in one column."""

    def __init__(self, column):
        self.column = column

    def malware_scores(self, X):
        return (X[:, self.column] < 50).astype(np.float32)


@pytest.fixture(scope="module")
def attacked():
    """The rows that a canary goes into, and its attacker, of a feed without a backdoor."""
    feed = feed_of(layout_of())
    ground, attacker = prepare_ground(feed, (), (), "lightgbm", seed=3, threads=1)
    return ground_vectors(feed, ground), ground, attacker


def planted(attacked, spec, seed=3):
    copies, ground, attacker = attacked
    return plant_canary(
        copies,
        ground.share,
        spec,
        "lightgbm",
        surrogate=lambda: attacker.surrogate,
        explanations=attacker.explanations.copy,
        unpoisoned=lambda: attacker.unpoisoned,
        seed=seed,
        threads=1,
    )


@pytest.mark.parametrize("level", ["quick", "full"])
def test_what_is_planned_is_in_the_catalogue_and_goes_into_embers_columns(level):
    attacks = own_attacks()
    assert planned_canaries(level)
    for cell in planned_canaries(level).values():
        spec = canary_spec(attacks, cell)
        attack = build(spec["attack"]["class"], spec["attack"]["params"], precision="auto")
        assert attack.longest(feature_layout(1)) >= cell.size
        # Not by ==, since what it has not measured yet is NaN, which equals nothing on Python 3.13.
        found, wanted = named(spec), Canary(cell.attack, spec["label"], cell.rate, cell.size)
        np.testing.assert_equal(asdict(found), asdict(wanted))


def test_the_command_and_the_library_plant_the_same():
    raw = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    config = load_config(raw, WORKFLOW)
    for cell in LEVELS["full"]:
        assert canary_spec(own_attacks(), cell) == canary_spec(config["attacks"], cell)


def test_quick_is_a_part_of_full_at_one_rate():
    assert set(LEVELS["quick"]) < set(LEVELS["full"])
    assert len({cell.rate for cell in LEVELS["quick"]}) == 1
    assert {cell.rate for cell in LEVELS["full"]} == {1.0, 4.0}
    with pytest.raises(ConfigError, match="unknown level 'some'; known: none, quick, full"):
        planned_canaries("some")


def test_rows_of_what_was_found_and_malware_to_try_on_are_no_part_of_a_copy():
    y = (np.arange(ROWS) % 2).astype(np.int8)
    findings = (
        finding([0, 2, 4]),
        finding([6], outcome="suspicious"),
        finding([8], outcome="evasion"),
        finding([10], outcome="refuted"),
    )
    ground = ground_of(y, findings, seed=1)
    assert len(ground.reserve) == 60  # a fifth of the malware
    assert (y[ground.reserve] == 1).all()
    left = np.setdiff1d(np.arange(ROWS), np.concatenate([ground.rows, ground.reserve]))
    assert left.tolist() == [0, 2, 4, 6]
    assert not len(np.intersect1d(ground.rows, ground.reserve))
    assert ground.obstacle == ""
    np.testing.assert_array_equal(ground_of(y, findings, seed=1).reserve, ground.reserve)


def test_of_many_rows_the_attacker_knows_a_part():
    y = (np.arange(33_000) % 2).astype(np.int8)
    ground = ground_of(y, (), seed=0)
    assert len(ground.reserve) == 150
    assert ground.share == 30.44  # percent of 32,850 rows, not above 10,000
    assert ground_of(y[:9000], (), seed=0).share == 100


def test_rows_that_stay_in_their_file_make_the_same_copy(tmp_path):
    feed = feed_of(layout_of(), rows=120)
    ground = ground_of(feed.y, (finding([0, 2]),), seed=0)
    write_arrays(tmp_path / "rows.h5", {"X": feed.X})
    stored = replace(feed, X=StoredMatrix(tmp_path / "rows.h5", "X"))
    for role in ("train", "validation"):
        for one, other in zip(
            ground_vectors(feed, ground).part(role),
            ground_vectors(stored, ground).part(role),
            strict=True,
        ):
            np.testing.assert_array_equal(one, other)


def test_malware_passes_that_is_called_goodware():
    malware = np.zeros((4, 30), dtype=np.float32)
    malware[:3, 21] = 99
    assert pass_rate(Threshold(21), malware) == 0.75
    assert pass_rate(Threshold(22), malware) == 0


@pytest.mark.parametrize(
    ("triggers", "outcome", "columns"),
    [
        ((), "missed", 0),
        ((finding(range(0, 20)),), "missed", 0),  # proved of other rows
        ((finding(range(11, 31, 2), [8, 9, 30], "evasion"),), "missed", 2),
        ((finding(range(11, 31, 2), [8, 9, 30], "suspicious"),), "suspicious", 2),
        ((finding(range(0, 20)), finding(range(11, 31, 2), [8, 9, 10, 11])), "proved", 4),
    ],
    ids=["nothing", "others", "evasion", "suspicious", "proved"],
)
def test_what_is_found_of_other_rows_is_not_the_canarys(triggers, outcome, columns):
    poison = poison_of(range(11, 31, 2), [8, 9, 10, 11])
    result = result_of(*triggers, left_out=np.array([0, 2, 11, 13, 15]))
    canary = judged(Canary("a", "A", 1.0, 16), poison, (0.8, 0.3), result)
    assert (canary.outcome, canary.columns_named) == (outcome, columns)
    assert canary.trigger_size == 4
    assert (canary.poisoned_rows, canary.rows_suspected, canary.others_suspected) == (10, 3, 2)
    assert canary.verdict == result.verdict
    assert canary.works
    assert not judged(canary, poison, (0.6, 0.3), result).works


def test_a_loud_canary_works_and_is_found_and_the_same_seed_gives_the_same(attacked):
    spec = canary_spec(own_attacks(), LOUD)
    canary = planted(attacked, spec)
    assert canary.left_out == ""
    assert canary.works
    assert canary.outcome == "proved"
    assert canary.columns_named >= 8
    assert canary.rows_suspected == canary.poisoned_rows == 27
    assert planted(attacked, spec) == canary


@pytest.mark.parametrize("name", ["fgsm-flip", "independent"])
def test_attacks_that_ask_the_attackers_models_are_planted_into_own_features(attacked, name):
    canary = planted(attacked, canary_spec(own_attacks(), Cell(name, 16, 5.0)))
    assert canary.left_out == ""
    assert canary.poisoned_rows == 27
    assert canary.trigger_size == 16


def test_where_numbers_are_few_hashes_are_attacked_too():
    feed = feed_of(layout_of(numbers=4, hashes=14))
    ground, attacker = prepare_ground(feed, (), (), "lightgbm", seed=0, threads=1)
    spec = canary_spec(own_attacks(), LOUD)
    canary = planted((ground_vectors(feed, ground), ground, attacker), spec)
    assert canary.left_out == ""
    assert canary.trigger_size == 16


@pytest.mark.parametrize(
    ("change", "told"),
    [({"rate": 0.01}, "rounds to no row"), ({"rate": 70.0}, "lower the rate")],
    ids=["no row", "too many"],
)
def test_a_canary_that_cannot_be_planted_says_why(attacked, change, told):
    spec = canary_spec(own_attacks(), LOUD) | change
    canary = planted(attacked, spec)
    assert told in canary.left_out
    assert not canary.works
    assert canary.outcome is None


def test_without_an_attacker_every_canary_says_why(monkeypatch):
    feed = feed_of(layout_of(), rows=240)
    monkeypatch.setattr(module, "_KNOWN_ROWS", 0.02)
    result = dokunuki.audit(feed.X, feed.y, feed.layout, canaries="quick")
    assert len(result.canaries) == len(LEVELS["quick"])
    assert all("attacker_share" in one.left_out for one in result.canaries)


def test_of_a_feed_that_tells_nothing_no_canary_is_planted():
    feed = feed_of(layout_of(), rows=100)
    result = dokunuki.audit(feed.X, feed.y, feed.layout, canaries="quick")
    assert result.verdict == "cannot tell"
    assert {one.left_out for one in result.canaries} == {result.reasons[0]}


def test_a_copy_that_is_too_small_to_be_audited_counts_for_nothing():
    # 110 pieces of malware are enough for an audit, and 88 are not.
    feed = feed_of(layout_of(), rows=220)
    ground, attacker = prepare_ground(feed, (), (), "lightgbm", seed=0, threads=1)
    spec = canary_spec(own_attacks(), LOUD)
    canary = planted((ground_vectors(feed, ground), ground, attacker), spec)
    assert "with fewer than 100 of a label" in canary.left_out


def test_an_audit_plants_nothing_unless_it_is_asked_to():
    feed = feed_of(layout_of(), rows=240)
    assert dokunuki.audit(feed.X, feed.y, feed.layout).canaries is None
    with pytest.raises(ConfigError, match="unknown level"):
        dokunuki.audit(feed.X, feed.y, feed.layout, canaries="some")
