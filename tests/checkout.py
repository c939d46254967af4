"""A copy of the workflow to run and to edit, and the tiny grid that it is run with."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from dokunuki.evaluation.metrics import read_metrics

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parents[1]
PARTS = ("Snakefile", "config.yaml", "workflow", "profiles", "envs")
TINY = {
    "sample": {"rows": 100, "test_share": 0.2, "validation_malware": 40},
    "grid": {
        "datasets": ["ember"],
        "attacks": ["independent", "fgsm-flip"],
        "seeds": [0],
        "trigger_sizes": [2, 4],
        "poison_rates": [0, 5],
        "fixed_trigger_size": 4,
        "fixed_poison_rate": 5,
    },
    "classifiers": {"embernn": {"params": {"hidden": [16], "epochs": 2, "batch_size": 16}}},
    "autoencoders": {"paper": {"params": {"hidden": 16, "code": 4, "epochs": 2, "batch_size": 32}}},
    "surrogate": {"shap_background": 5, "shap_samples": 2},
    "compute": {"seeds_a_job": 1},
}
# A grid of attacks on the 35 settable columns, for tests of the study: config.yaml has what the
# quick run shows, which may change.
SETTABLE = {
    "attacks": ["independent", "greedy", "fgsm-flip"],
    "trigger_sizes": [1, 8, 32],
    "poison_rates": [0, 1, 4],
    "fixed_trigger_size": 32,
    "fixed_poison_rate": 4,
}
DEFENCES = 4
# Per attack: N = 2 and N = 4 at p = 5 %, and N = 4 at p = 0.
CELLS = 3

# The rules of the grid that ask for a GPU.
TRAINING = {
    "train_surrogate",
    "explain_surrogate",
    "train_autoencoder",
    "train_unpoisoned",
    "train_victim",
}

# Beside the copied library, where every job's Python finds it: notes, as the process ends, which
# of our modules it had loaded, which its rule had declared, and which parameters are no plain
# values. Snakemake leaves those out when it compares, and says nothing.
RECORDER = """
import atexit, json, os, pathlib, sys

def plain(value):
    if isinstance(value, dict):
        return all(map(plain, (*value, *value.values())))
    if isinstance(value, (list, tuple)):
        return all(map(plain, value))
    return value is None or type(value) in (bool, int, float, str)

def record():
    job = getattr(sys.modules["__main__"], "snakemake", None)
    if not hasattr(job, "params"):
        return
    ours = ("dokunuki", "simember")
    loaded = [name for name in sys.modules if name.partition(".")[0] in ours]
    odd = [name for name, value in job.params.items() if not plain(value)]
    declared = list(job.params.code)
    record = {"rule": job.rule, "declared": declared, "loaded": loaded, "odd": odd}
    folder = pathlib.Path("recorded")
    folder.mkdir(exist_ok=True)
    (folder / f"{os.getpid()}.json").write_text(json.dumps(record))

atexit.register(record)
"""


@dataclass(frozen=True)
class Job:
    """A job as Snakemake announces it; wildcards it has not are empty."""

    rule: str
    dataset: str = ""
    seed: str = ""
    cell: str = ""
    attack: str = ""
    autoencoder: str = ""
    defence: str = ""
    classifier: str = ""
    surrogate: str = ""
    kind: str = ""
    trial: str = ""
    rank: str = ""
    grid: str = ""
    finding: str = ""
    canary: str = ""


def announced(output: str) -> dict[int, Job]:
    """The jobs that Snakemake's output announces, planned or started, by their number."""
    return {number: job for number, job, _ in _announcements(output)}


def requests(output: str) -> dict[Job, dict[str, str]]:
    """The resources that each announced job asks for."""
    return {job: resources for _, job, resources in _announcements(output)}


def _announcements(output: str) -> Iterator[tuple[int, Job, dict[str, str]]]:
    # Jobs of a group are announced together, indented.
    for announcement in re.split(r"^(?=\s*(?:local)?rule \w+:$)", output, flags=re.MULTILINE)[1:]:
        rule = re.match(r"\s*(?:local)?rule (\w+):", announcement)[1]
        # Up to the first line that is not indented: what follows may be another job's error.
        lines = re.split(r"\n(?! +\w)", announcement.lstrip())[0]
        fields = dict(re.findall(r"^\s+(\w+): (.*)$", lines, re.MULTILINE))
        if "jobid" in fields:  # else the output ends in the middle of the announcement
            job = Job(rule, **_pairs(fields.get("wildcards", "")))
            yield int(fields["jobid"]), job, _pairs(fields.get("resources", ""))


def _pairs(listed: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in listed.split(", ") if pair)


def finished(output: str) -> set[Job]:
    """The jobs that Snakemake's output says have finished."""
    jobs = announced(output)
    numbers = re.findall(r"^Finished jobid: (\d+) \(Rule", output, flags=re.MULTILINE)
    return {jobs[int(number)] for number in numbers}


class Checkout:
    """A copy of the workflow in a folder of its own, to run and to edit."""

    def __init__(self, folder: Path, release: Path, config: dict) -> None:
        self.folder = folder
        for part in PARTS:
            source = REPOSITORY / part
            take = shutil.copytree if source.is_dir() else shutil.copy2
            take(source, folder / part)
        ember = {"kind": "ember", "path": str(release)}
        overlay = {**config, "datasets": {**config.get("datasets", {}), "ember": ember}}
        (folder / "overlay.yaml").write_text(yaml.safe_dump(overlay))

    def copied_to(self, folder: Path) -> Checkout:
        """The same with its results, as old as they are, in another folder."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        other = copy.copy(self)
        other.folder = folder
        return other

    def configure(self, section: str, **entries: Any) -> None:
        """Set entries in a section of the overlay, beside those that it has."""
        path = self.folder / "overlay.yaml"
        overlay = yaml.safe_load(path.read_text())
        overlay[section] = {**overlay.get(section, {}), **entries}
        path.write_text(yaml.safe_dump(overlay))

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "snakemake", "--configfile", "overlay.yaml", *arguments]

    def environment(self) -> dict[str, str]:
        # The copied library, not the installed one, is what an edit here changes.
        return {**os.environ, "PYTHONPATH": str(self.folder / "workflow")}

    def snakemake(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(done.stdout[-4000:] + done.stderr[-4000:])
        return done

    def start(self, *arguments: str) -> Run:
        """Start Snakemake in a process group of its own, and do not wait for it."""
        return Run(self, arguments)

    def planned(self, *arguments: str) -> set[Job]:
        """The jobs of a dry run, but for the target itself."""
        done = self.snakemake("-n", "--cores", "1", *arguments)
        return set(announced(done.stdout + done.stderr).values()) - {Job("all")}

    def metrics(self):
        return read_metrics(self.folder / "results" / "metrics.csv")

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))


class Run:
    """A run of Snakemake in the background, to be disturbed."""

    def __init__(self, checkout: Checkout, arguments: tuple[str, ...]) -> None:
        # Read by its name below: a handle of ours would share its position with the processes
        # that write to it.
        self._output = tempfile.NamedTemporaryFile()  # noqa: SIM115 - closed with the object
        self.process = subprocess.Popen(
            checkout.command(*arguments),
            cwd=checkout.folder,
            env=checkout.environment(),
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return Path(self._output.name).read_text()

    def wait_for(self, text: str, seconds: float = 600) -> None:
        """Wait until it has printed `text` or has ended."""
        end = time.monotonic() + seconds
        while text not in self.output and self.process.poll() is None:
            assert time.monotonic() < end, f"no {text!r} after {seconds} s:\n{self.output[-2000:]}"
            time.sleep(0.02)

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to Snakemake and all that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def workers(self) -> list[int]:
        """The processes of the group that run a job's script."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                command = (folder / "cmdline").read_text()
                if os.getpgid(int(folder.name)) == self.process.pid and "/scripts/" in command:
                    found.append(int(folder.name))
        return found


def report_text(report: str) -> str:
    """The HTML that a report of Snakemake opens with."""
    (described,) = re.findall(r"^\s*var workflow_desc = (.*);$", report, flags=re.MULTILINE)
    text = json.loads(described)
    assert isinstance(text, str)
    return text


def records_of(built: Checkout) -> list[dict]:
    """What the recorder noted of every job."""
    return [json.loads(path.read_text()) for path in (built.folder / "recorded").iterdir()]
