"""What the benchmark of the start counts as Snakemake's own, and what as its jobs'."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from bench.startup import cpu_seconds

if TYPE_CHECKING:
    from pathlib import Path

WORK = "while __import__('time').process_time() < 0.5: pass"


def snakefile(folder: Path, command: str) -> None:
    (folder / "Snakefile").write_text(
        f'rule all:\n    output: \'done\'\n    shell: """{command}"""\n', encoding="utf-8"
    )


def test_the_work_of_a_process_below_a_jobs_shell_is_the_jobs(tmp_path):
    snakefile(tmp_path, f'{sys.executable} -c "{WORK}" && touch done')
    seconds = cpu_seconds(tmp_path, "--cores", "1")
    assert seconds["jobs_s"] >= 0.5
    assert seconds["own_s"] > 0
    again = cpu_seconds(tmp_path, "--cores", "1")
    assert again["jobs_s"] < 0.5


def test_a_run_that_fails_is_no_measurement(tmp_path):
    snakefile(tmp_path, "exit 3")
    with pytest.raises(subprocess.CalledProcessError):
        cpu_seconds(tmp_path, "--cores", "1")
