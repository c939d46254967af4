"""Several seeds a job: the same results, and an edit reruns what docs/reruns.md says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from checkout import RECORDER, REPOSITORY, TINY, Checkout, Job, records_of
from dokunuki.evaluation.metrics import read_metrics

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.workflow

COLLECTORS = {
    *("collect_metrics", "collect_timings", "plot_panels", "plot_answer"),
    *("write_answer", "write_tables", "write_report"),
}
GRID = {
    **TINY["grid"],
    "attacks": ["independent"],
    "defences": ["none", "deletion", "cross-examination"],
    "seeds": [0, 1, 2],
    "trigger_sizes": [4],
}
# Seeds 0 and 1 share a job, and seed 2 has one of its own.
EXAMINATION = {"cross-examination": {"params": {"trees": 5, "folds": 2}}}
CONFIG = {**TINY, "grid": GRID, "defences": EXAMINATION, "compute": {"seeds_a_job": 2}}
ONE_A_JOB = ("--config", "compute={seeds_a_job: 1}")


@pytest.fixture(scope="module")
def built(tmp_path_factory, tiny_release) -> Checkout:
    checkout = Checkout(tmp_path_factory.mktemp("built"), tiny_release, CONFIG)
    (checkout.folder / "workflow" / "sitecustomize.py").write_text(RECORDER)
    checkout.snakemake("--cores", "2", "all")
    return checkout


@pytest.fixture
def edited(built, tmp_path) -> Checkout:
    return built.copied_to(tmp_path / "copy")


def trains(job: Job) -> bool:
    return job.rule.startswith(("train_unpoisoned", "train_victim", "choose_rows"))


def shared(job: Job, first: int, last: int) -> bool:
    return trains(job) and job.rule.endswith(f"_seeds_{first}_to_{last}")


class Row(NamedTuple):
    """A row of the table: its first column, the edit, and the jobs that it plans."""

    title: str
    change: Callable[[Checkout], None] | str  # a string is for `--config`
    reruns: Callable[[Job], bool]


TABLE = [
    Row(
        "one of a job's seeds meaning another (`seeds`)",
        "seeds={1: {poison: 101}}",
        lambda job: (
            (job.seed == "1" and job.rule not in {"draw_sample", "vectorise_rows"})
            or job.rule == "train_victim_seeds_0_to_1"
            or (job.rule == "choose_rows_seeds_0_to_1" and job.cell != "unpoisoned")
            or job.rule in COLLECTORS
        ),
    ),
    Row(
        "another defence's module",
        lambda checkout: checkout.edit(
            "workflow/dokunuki/defences/deletion.py", "np.ascontiguousarray(", "np.array("
        ),
        lambda job: (
            job.defence == "deletion" or job.rule == "score_evasion" or job.rule in COLLECTORS
        ),
    ),
    Row(
        "a setting of a defence that chooses rows",
        "defences={cross-examination: {params: {threshold: 0.7}}}",
        lambda job: (
            job.defence == "cross-examination"
            or job.rule == "score_evasion"
            or job.rule in COLLECTORS
        ),
    ),
    Row(
        "a setting of the classifier, where a defence chooses rows",
        "classifiers={embernn: {params: {epochs: 3}}}",
        lambda job: (
            (
                not job.rule.startswith("choose_rows")
                and job.rule not in {"index_corpus", "draw_sample", "vectorise_rows"}
            )
            # The surrogate is such a classifier: the triggers may be others, and so the poison.
            or (job.rule.startswith("choose_rows") and job.cell != "unpoisoned")
        ),
    ),
    Row(
        "a seed at the end, beside one that had a job of its own",
        "grid={seeds: [0, 1, 2, 3]}",
        lambda job: (
            job.seed == "3"
            or shared(job, 2, 3)
            # Of seed 2 since its unpoisoned detectors are trained again.
            or (job.rule == "score_evasion" and job.seed == "2")
            or job.rule in COLLECTORS
        ),
    ),
    Row(
        "`compute.seeds_a_job`",
        "compute={seeds_a_job: 1}",
        lambda job: (
            (job.seed in ("0", "1") and (trains(job) or job.rule == "score_evasion"))
            or job.rule in COLLECTORS
        ),
    ),
]


@pytest.mark.promise(1)
@pytest.mark.parametrize("row", TABLE, ids=[row.title for row in TABLE])
def test_an_edit_reruns_what_it_touches(edited, row):
    arguments: tuple[str, ...] = ()
    if callable(row.change):
        row.change(edited)
    else:
        arguments = ("--config", row.change)
    every_job = edited.planned("--forceall", *arguments)
    assert edited.planned(*arguments) == {job for job in every_job if row.reruns(job)}


def test_the_documented_table_is_this_one():
    text = (REPOSITORY / "docs" / "reruns.md").read_text()
    text = text.partition("## Of several seeds a job")[2].partition("\n## ")[0]
    documented = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")]
    assert documented[1:] == [row.title for row in TABLE]


@pytest.mark.promise(1)
def test_a_seed_beyond_the_full_jobs_leaves_them_as_they_are(edited):
    jobs = edited.planned("--config", "grid={seeds: [0, 1, 2, 3]}")
    assert not any(shared(job, 0, 1) for job in jobs)
    assert any(shared(job, 2, 3) for job in jobs)


def test_another_number_of_seeds_a_job_can_be_recorded_instead(edited):
    before = (edited.folder / "results" / "metrics.csv").read_bytes()
    edited.snakemake("--touch", "--cores", "1", *ONE_A_JOB)
    assert edited.planned(*ONE_A_JOB) == set()
    assert (edited.folder / "results" / "metrics.csv").read_bytes() == before


@pytest.mark.promise(5)
@pytest.mark.promise(8)
def test_the_metrics_are_those_of_one_seed_a_job(edited):
    metrics = edited.folder / "results" / "metrics.csv"
    together = metrics.read_bytes()
    assert set(read_metrics(metrics)["status"]) == {"ok"}
    kept = {
        path: path.read_bytes() for path in edited.folder.glob("results/ember/seed-*/*/*/*/*.h5")
    }
    # Of each seed, with the poison and without: three defences, and the rows that one chose.
    assert len(kept) == 3 * 2 * 3
    kept |= {
        path: path.read_bytes()
        for path in edited.folder.glob("results/ember/seed-*/*/row-choices/*.h5")
    }
    assert len(kept) == 3 * 2 * (3 + 1)
    alone = edited.planned("--forceall", *ONE_A_JOB)
    assert len([job for job in alone if trains(job)]) == 3 * 2 * (3 + 1)
    assert len([job for job in edited.planned("--forceall") if trains(job)]) == 2 * 2 * (3 + 1)
    edited.snakemake("--cores", "2", *ONE_A_JOB, "--", "results/metrics.csv")
    assert {path: path.read_bytes() for path in kept} == kept
    assert metrics.read_bytes() == together


@pytest.mark.promise(2)
def test_jobs_over_several_seeds_declare_what_they_load_and_take_plain_values(built):
    records = [record for record in records_of(built) if "_seeds_" in record["rule"]]
    assert {record["rule"] for record in records} == {
        "choose_rows_seeds_0_to_1",
        "train_unpoisoned_seeds_0_to_1",
        "train_victim_seeds_0_to_1",
    }
    for record in records:
        assert not record["odd"]
        assert set(record["loaded"]) <= set(record["declared"])
