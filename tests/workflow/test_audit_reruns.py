"""An edit of the audit reruns what it touches: the second table of docs/reruns.md, row by row."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import pytest

from checkout import RECORDER, REPOSITORY, Checkout, records_of
from dokunuki.audit.canaries.planned import LEVELS
from planted_feeds import make_feed, write_layout

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.workflow

AUDIT = "workflow/dokunuki/audit"
CANARIES = {("plant_canary", cell.id) for cell in LEVELS["quick"]}
REPORT = {("write_audit", "")}
AFTER_THE_PROOF = {("purify", ""), ("prepare_canaries", ""), *CANARIES, *REPORT}


def edit(file: str, old: str, new: str) -> Callable[[Checkout], None]:
    return lambda checkout: checkout.edit(file, old, new)


class Row(NamedTuple):
    """A row of the table: its first column, the edit, and the jobs that it plans."""

    title: str
    change: Callable[[Checkout], None] | str  # a string is for the key `canaries`
    reruns: set[tuple[str, str]]


TABLE = [
    Row(
        "the audit's report: its words, charts or template",
        edit(f"{AUDIT}/reporting/templates/report.html", "Settings and versions", "Settings"),
        REPORT,
    ),
    Row(
        "how a feed is purified",
        edit(f"{AUDIT}/repairing.py", "_EXPORT_ROWS = 1000", "_EXPORT_ROWS = 999"),
        {("purify", ""), *REPORT},
    ),
    Row(
        "how a trigger is proved",
        edit(f"{AUDIT}/proving.py", "_BATCH = 2048", "_BATCH = 2000"),
        {("prove_triggers", ""), *AFTER_THE_PROOF},
    ),
    Row(
        "what a canary counts as",
        edit(f"{AUDIT}/canaries/measuring.py", "_OWN = 0.5", "_OWN = 0.6"),
        CANARIES | REPORT,
    ),
    Row(
        "the module of an attack that is planted as a canary",
        edit("workflow/dokunuki/attacks/variation_ratio.py", "folds: int = 5", "folds: int = 6"),
        {one for one in CANARIES if one[1].startswith("variation-ratio")} | REPORT,
    ),
    Row(
        "`audit.canaries` from quick to full",
        "full",
        {("plant_canary", cell.id) for cell in set(LEVELS["full"]) - set(LEVELS["quick"])} | REPORT,
    ),
    Row("`audit.canaries` from quick to none", "none", REPORT),
]


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Checkout:
    folder = tmp_path_factory.mktemp("audited")
    # So few rows that nothing is fitted: what is planned does not hang on it.
    make_feed(planted=False, rows=50).to_csv(folder / "feed.csv", index=False)
    feed = {
        "kind": "rows",
        "path": str(folder / "feed.csv"),
        "layout": str(write_layout(folder)),
        "label": "verdict",
    }
    (folder / "tree").mkdir()
    checkout = Checkout(folder / "tree", folder, {"datasets": {"feed": feed}})
    (checkout.folder / "workflow" / "sitecustomize.py").write_text(RECORDER)
    checkout.snakemake("--cores", "2", "--config", told("quick"), "--", "audit")
    return checkout


def told(canaries: str) -> str:
    return "audit=" + json.dumps({"feed": "feed", "canaries": canaries})


def jobs(checkout: Checkout, canaries: str) -> set[tuple[str, str]]:
    planned = checkout.planned("--config", told(canaries), "--", "audit")
    return {(job.rule, job.canary) for job in planned if job.rule != "audit"}


def test_an_audit_that_is_built_plans_nothing(built):
    assert jobs(built, "quick") == set()


@pytest.mark.promise(1)
@pytest.mark.parametrize("row", TABLE, ids=[row.title for row in TABLE])
def test_an_edit_reruns_what_it_touches(built, tmp_path, row):
    edited = built.copied_to(tmp_path / "copy")
    canaries = "quick"
    if callable(row.change):
        row.change(edited)
    else:
        canaries = row.change
    assert jobs(edited, canaries) == row.reruns


def test_the_documented_table_is_this_one():
    text = (REPOSITORY / "docs" / "reruns.md").read_text()
    _, _, part = text.partition("## Of an audit")
    documented = [line.split("|")[1].strip() for line in part.splitlines() if line.startswith("| ")]
    assert documented[1:] == [row.title for row in TABLE]


@pytest.mark.promise(1)
def test_what_a_rule_declares_is_what_its_jobs_load(built):
    records = records_of(built)
    assert {"fit_as_is", "plant_canary", "prepare_canaries", "write_audit"} <= {
        record["rule"] for record in records
    }
    undeclared = {
        (record["rule"], module)
        for record in records
        for module in set(record["loaded"]) - set(record["declared"])
    }
    assert not undeclared


@pytest.mark.promise(2)
def test_parameters_are_plain_values(built):
    records = records_of(built)
    assert not {(record["rule"], name) for record in records for name in record["odd"]}
