"""The workflow as a module of another one, as snakedeploy would have it, in a folder elsewhere."""

from __future__ import annotations

import subprocess
import sys

import pytest
import yaml
from snakemake.utils import update_config

from checkout import REPOSITORY, TINY, announced
from dokunuki.evaluation.metrics import read_metrics

pytestmark = pytest.mark.workflow

SNAKEFILE = """
from dokunuki.study.places import ROOT


configfile: "config.yaml"


module dokunuki:
    snakefile:
        str(ROOT / "Snakefile")
    config:
        config


use rule * from dokunuki{renamed}


rule mine:
    default_target: True
    input:
        rules.{prefix}metrics.input[0],
    output:
        "mine.txt",
    shell:
        "wc -l < {{input}} > {{output}}"
"""


def snakemake(folder, *arguments):
    command = [sys.executable, "-m", "snakemake", *arguments]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


@pytest.fixture
def make_study(tmp_path):
    """A function that lays out a study that uses the module, with the tiny grid."""
    config = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
    update_config(config, TINY)
    config["datasets"] = {"simulated": {"kind": "simulated", "rows": 400, "title": "Simulated"}}
    config["grid"] |= {
        "datasets": ["simulated"],
        "attacks": ["independent"],
        "defences": ["none"],
        "trigger_sizes": [4],
        "poison_rates": [5],
    }

    def make(renamed="", prefix=""):
        text = SNAKEFILE.format(renamed=renamed, prefix=prefix)
        (tmp_path / "Snakefile").write_text(text)
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
        return tmp_path

    return make


def test_a_workflow_of_ones_own_runs_it_as_a_module(make_study):
    folder = make_study()
    snakemake(folder, "--cores", "2")
    metrics = read_metrics(folder / "results" / "metrics.csv")
    assert set(metrics["status"]) == {"ok"}
    assert int((folder / "mine.txt").read_text()) == len(metrics) + 1
    assert "Nothing to be done" in snakemake(folder, "-n")


def test_rules_may_get_a_prefix(make_study):
    folder = make_study(" as poisoned_*", "poisoned_")
    planned = announced(snakemake(folder, "-n", "--cores", "1", "poisoned_all"))
    rules = {job.rule for job in planned.values()}
    assert {"poisoned_simulate_corpus", "poisoned_train_victim", "poisoned_write_report"} <= rules


def test_what_snakedeploy_copies_is_the_configuration():
    """It takes the folder `config` alone, and follows links."""
    copied = REPOSITORY / "config" / "config.yaml"
    assert copied.resolve() == REPOSITORY / "config.yaml"
    assert (REPOSITORY / "config" / "README.md").is_file()
