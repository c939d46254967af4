"""Snakemake's limit on jobs a second, taken away where nobody asked for it."""

from __future__ import annotations

from typing import Any

# What `--max-jobs-per-timespan` is unless it is given: so many jobs in so many seconds.
DEFAULT_RATE = (100, 1)


def lift_default_rate(scheduler: Any) -> None:  # noqa: ANN401 - Snakemake's JobScheduler
    """Have Snakemake look for jobs to start only when one has ended; for `onstart`.

    With a limit on the rate it looks again a second after each look, while jobs wait. Each job that
    ends begins such a chain, and no chain ends (Snakemake 9.27, job_scheduler.py; its pull request
    3744). So after 90 jobs it looked 45 times a second and took a tenth of a core, and more with
    every job. A limit that was set to something else stays. There may be no scheduler, or no limit.
    """
    limit = getattr(scheduler, "job_rate_limiter", None)
    if limit is not None and (limit.max_jobs, limit.timespan) == DEFAULT_RATE:
        scheduler.job_rate_limiter = None
