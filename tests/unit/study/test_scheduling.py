"""Snakemake's limit on jobs a second: taken away where it is Snakemake's own."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from snakemake.cli import get_argument_parser
from snakemake.scheduling.job_scheduler import JobRateLimiter

from checkout import REPOSITORY
from dokunuki.study.scheduling import lift_default_rate


def _scheduler(*arguments):
    given = get_argument_parser([]).parse_args(arguments)
    return SimpleNamespace(job_rate_limiter=JobRateLimiter(given.max_jobs_per_timespan))


def test_the_default_is_taken_away():
    scheduler = _scheduler()
    lift_default_rate(scheduler)
    assert scheduler.job_rate_limiter is None


@pytest.mark.parametrize("given", ["50/1s", "100/1m"])
def test_what_was_asked_for_stays(given):
    scheduler = _scheduler("--max-jobs-per-timespan", given)
    limit = scheduler.job_rate_limiter
    lift_default_rate(scheduler)
    assert scheduler.job_rate_limiter is limit


def test_there_may_be_nothing_to_take_away():
    lift_default_rate(None)
    lift_default_rate(SimpleNamespace(job_rate_limiter=None))


SNAKEFILE = """
from dokunuki.study.scheduling import lift_default_rate

rule one:
    output: "out"
    run:
        open(output[0], "w").close()

onstart:
    print("before:", workflow.scheduler.job_rate_limiter is None)
    lift_default_rate(workflow.scheduler)

onsuccess:
    print("after:", workflow.scheduler.job_rate_limiter is None)
"""


def test_snakemake_has_its_limit_where_we_look_for_it(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE, encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "1"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "workflow")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "before: False" in run.stdout
    assert "after: True" in run.stdout
