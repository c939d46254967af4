"""Snakemake in this process, with the command line's arguments, and what it and its jobs cost.

The last line of the output is JSON: `own_s` are the CPU seconds of this process, Snakemake's own
work, its start included; `jobs_s` are those of all processes that it started.
Usage: python -m bench.overseen SNAKEMAKE-ARGUMENTS
"""

from __future__ import annotations

import json
import os
import sys

# Nothing else at the top: what this module imports would count as Snakemake's.
from snakemake.cli import main as snakemake


def main() -> None:
    """Run Snakemake, print the seconds, and end as it ended."""
    code: object = 0
    try:
        snakemake(sys.argv[1:])
    except SystemExit as end:
        code = end.code
    times = os.times()
    own, jobs = times.user + times.system, times.children_user + times.children_system
    print(json.dumps({"own_s": own, "jobs_s": jobs}), flush=True)
    sys.exit(code)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
