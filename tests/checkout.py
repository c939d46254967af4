"""A copy of the workflow to run and to edit, and the tiny grid that it is run with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from dokunuki.evaluation.metrics import read_metrics

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
}
DEFENCES = 4
# Per attack: N = 2 and N = 4 at p = 5 %, and N = 4 at p = 0.
CELLS = 3


class Checkout:
    """A copy of the workflow in a folder of its own, to run and to edit."""

    def __init__(self, folder: Path, release: Path, config: dict) -> None:
        self.folder = folder
        for part in PARTS:
            source = REPOSITORY / part
            copy = shutil.copytree if source.is_dir() else shutil.copy2
            copy(source, folder / part)
        overlay = {**config, "datasets": {"ember": {"kind": "ember", "path": str(release)}}}
        (folder / "overlay.yaml").write_text(yaml.safe_dump(overlay))

    def snakemake(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "snakemake", "--configfile", "overlay.yaml", *arguments]
        # The copied library, not the installed one, is what an edit here changes.
        environment = {**os.environ, "PYTHONPATH": str(self.folder / "workflow")}
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(done.stdout[-4000:] + done.stderr[-4000:])
        return done

    def planned(self, *arguments: str) -> dict[str, int]:
        """What a dry run would do: jobs by rule."""
        done = self.snakemake("-n", "--cores", "1", *arguments)
        jobs = {}
        inside = False
        for line in (done.stdout + done.stderr).splitlines():
            if line.startswith("job ") and "count" in line:
                inside = True
            elif inside and not line.strip():
                break
            elif inside and not line.startswith("---"):
                rule, count = line.split()
                jobs[rule] = int(count)
        jobs.pop("total", None)
        return jobs

    def metrics(self):
        return read_metrics(self.folder / "results" / "metrics.csv")

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
