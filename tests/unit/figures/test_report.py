from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dokunuki.errors import DataFileError, DokunukiError
from dokunuki.figures.report import write_report
from dokunuki.storage.files import atomic_write


@pytest.fixture
def nested(tmp_path, monkeypatch):
    """`write_report` with a Snakemake that writes its command as report, and returns `code`."""
    paths = {name: tmp_path / f"{name}.csv" for name in ("metrics", "timings")}
    for path in paths.values():
        with atomic_write(path, checksum=True) as temporary:
            temporary.write_text("a\n")

    def write(code=0):
        def run(command, **options):
            Path(command[command.index("--report") + 1]).write_text(" ".join(command))
            return subprocess.CompletedProcess(command, code, "said ", "this")

        monkeypatch.setattr("dokunuki.figures.report.subprocess.run", run)
        log = tmp_path / "log"
        write_report(
            tmp_path / "report.html",
            snakefile="Snakefile",
            stylesheet="report.css",
            **paths,
            files=["a.svg"],
            log=log,
        )
        return (tmp_path / "report.html").read_text(), log.read_text()

    return write, paths, tmp_path


def test_the_report_holds_the_tables_and_the_files(nested):
    write, paths, _ = nested
    command, log = write()
    assert "--nolock" in command
    assert "--report-stylesheet report.css" in command
    assert command.endswith(f"-- {paths['metrics']} {paths['timings']} a.svg")
    assert log == "said this"


def test_a_failure_names_the_log_and_leaves_no_report(nested):
    write, _, folder = nested
    with pytest.raises(DokunukiError, match=r"report\.html: snakemake --report failed; .*log"):
        write(code=1)
    assert not (folder / "report.html").exists()


def test_a_damaged_table_is_not_reported(nested):
    write, paths, _ = nested
    paths["timings"].write_text("b\n")
    with pytest.raises(DataFileError, match="timings"):
        write()
