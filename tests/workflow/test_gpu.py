"""Which jobs ask for a GPU, and that a limit keeps them apart; no GPU is needed for that."""

from __future__ import annotations

import re

import pytest

from checkout import TINY, TRAINING, Checkout, Job, announced, requests

pytestmark = pytest.mark.workflow

ASKING = TRAINING | {"try_settings", "try_shortlisted", "compare_with_real_rows"}
FOLDER = "results/ember/seed-0"


@pytest.fixture
def checkout(tmp_path, tiny_release) -> Checkout:
    return Checkout(tmp_path, tiny_release, TINY)


def planned_requests(checkout: Checkout, *arguments: str) -> dict[Job, dict[str, str]]:
    targets = ("all", "search_settings", "results/realism/report.html")
    search = "search={classifiers: {embernn: {epochs: [1]}}}"
    done = checkout.snakemake("-n", "--config", search, *arguments, "--", *targets)
    return requests(done.stdout)


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_training_asks_for_one_gpu_and_all_else_for_none(checkout, device):
    asked = planned_requests(checkout, f"compute={{device: {device}}}")
    assert {job.rule for job in asked} >= ASKING
    for job, resources in asked.items():
        assert resources.get("gpu", "0") == ("1" if job.rule in ASKING else "0"), job
        if "device" in resources:  # whoever asks for no GPU must not look for one
            assert resources["device"] == (device if job.rule in ASKING else "cpu"), job


def test_on_the_cpu_nothing_asks_for_a_gpu(checkout):
    asked = planned_requests(checkout, "compute={device: cpu}")
    assert {resources.get("gpu", "0") for resources in asked.values()} == {"0"}


def most_at_a_time(output: str, rules: set[str]) -> int:
    """How many jobs of `rules` ran at the same time at most."""
    jobs = announced(output)
    running: set[int] = set()
    most = 0
    for start, end in re.findall(
        r"^    jobid: (\d+)$|^Finished jobid: (\d+)", output, re.MULTILINE
    ):
        number = int(start or end)
        if jobs[number].rule not in rules:
            continue
        if start:
            running.add(number)
            most = max(most, len(running))
        else:
            running.discard(number)
    return most


def test_a_limit_on_gpus_keeps_training_jobs_apart(checkout):
    targets = (
        f"{FOLDER}/surrogates/embernn-10000/detector",
        f"{FOLDER}/unpoisoned/autoencoders/paper.safetensors",
    )
    limited = checkout.snakemake("--cores", "2", "--resources", "gpu=1", "--", *targets)
    assert most_at_a_time(limited.stdout + limited.stderr, TRAINING) == 1
    again = ("--forcerun", "train_surrogate", "train_autoencoder")
    free = checkout.snakemake("--cores", "2", *again, "--", *targets)
    assert most_at_a_time(free.stdout + free.stderr, TRAINING) == 2
