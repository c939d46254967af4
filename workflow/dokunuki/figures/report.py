"""Snakemake's own report, as a file that a rule writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dokunuki.errors import DokunukiError
from dokunuki.storage.files import atomic_write, verify_checksum

if TYPE_CHECKING:
    from collections.abc import Sequence


def write_report(
    report: str | Path,
    *,
    snakefile: str | Path,
    stylesheet: str | Path,
    metrics: str | Path,
    timings: str | Path,
    files: Sequence[str],
    log: str | Path,
) -> None:
    """Let a nested Snakemake write its report of the two tables and `files`, its output to `log`.

    `stylesheet` is laid over its own style.

    It runs in the working directory and reads results/config.yaml, the configuration of this very
    run. Raises DataFileError for a table that was damaged, DokunukiError where Snakemake fails.
    """
    # The report holds these two as they are.
    verify_checksum(metrics)
    verify_checksum(timings)
    with atomic_write(report) as temporary:
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile)]
        # The outer run holds the folder's lock; nothing is built here, so none is needed.
        command += ["--nolock", "--cores", "1", "--report", str(temporary)]
        command += ["--report-stylesheet", str(stylesheet)]
        command += ["--configfile", "results/config.yaml", "--"]
        command += [str(metrics), str(timings), *files]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        Path(log).write_text(done.stdout + done.stderr, encoding="utf-8")
        if done.returncode or not temporary.is_file():
            raise DokunukiError(f"{report}: snakemake --report failed; {log} says why")
