"""Let Snakemake write its report from the files of this run."""

import subprocess
import sys
from pathlib import Path

from dokunuki.errors import DokunukiError
from dokunuki.job import logged
from dokunuki.storage.files import atomic_write, verify_checksum

with logged(snakemake.log[0]), atomic_write(snakemake.output.report) as temporary:
    # The report holds these two as they are.
    verify_checksum(snakemake.input.metrics)
    verify_checksum(snakemake.input.timings)
    command = [sys.executable, "-m", "snakemake", "--snakefile", snakemake.params.snakefile]
    # The outer run holds the folder's lock; nothing is built here, so none is needed.
    command += ["--nolock", "--cores", "1", "--report", str(temporary)]
    command += ["--configfile", "results/config.yaml", "--"]
    command += [*snakemake.input.figures, snakemake.input.metrics, snakemake.input.timings]
    command += list(snakemake.input.tables)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    Path(snakemake.log[0]).write_text(done.stdout + done.stderr, encoding="utf-8")
    if done.returncode or not temporary.is_file():
        raise DokunukiError(
            f"{snakemake.output.report}: snakemake --report failed; see {snakemake.log[0]}"
        )
