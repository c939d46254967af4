"""The SLURM profile, as it is, on a cluster of one node that is started on this machine."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from checkout import TINY, TRAINING, Checkout

pytestmark = pytest.mark.slurm

CLUSTER = Path(__file__).with_name("one_node_cluster.sh")
PROFILE = "profiles/slurm/config.yaml"
COMMAND = (
    *("--profile", "profiles/default", "--workflow-profile", "profiles/slurm"),
    *("--slurm-init-seconds-before-status-checks", "2"),
)
GRID = {**TINY["grid"], "defences": ["none", "ae"], "trigger_sizes": [4]}
CONFIG = {**TINY, "grid": GRID}
# Rules that the controller runs itself.
LOCAL = {"all", "write_report"}
UNPOISONED = "results/ember/seed-0/unpoisoned/{}/embernn/scores.h5"


def cluster_command(command: str, folder: Path) -> None:
    done = subprocess.run(
        ["timeout", "-k", "5", "240", str(CLUSTER), command, str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.fail(f"{CLUSTER.name} {command}: {done.stderr}", pytrace=False)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The folder of a running cluster."""
    folder = tmp_path_factory.mktemp("cluster")
    cluster_command("up", folder)
    try:
        yield folder
    finally:
        cluster_command("down", folder)


def slurm_jobs(checkout: Checkout) -> list[dict[str, str]]:
    """SLURM's record of every job that came from this checkout, oldest first."""
    done = subprocess.run(
        ["timeout", "-k", "5", "20", "scontrol", "--details", "--oneliner", "show", "job"],
        capture_output=True,
        text=True,
        check=True,
    )
    jobs = [dict(re.findall(r"(\w+)=(\S*)", line)) for line in done.stdout.splitlines()]
    return [job for job in jobs if job.get("WorkDir") == str(checkout.folder)]


def rule_of(job: dict[str, str]) -> str:
    """The rule of a job; for a batch, its group and rules."""
    return job["Comment"].removeprefix("rule_").split("_wildcards_")[0]


def gpus_of(job: dict[str, str]) -> int:
    """How many GPUs SLURM gave to a job."""
    held = re.fullmatch(r"gpu:(\d+)", job["JOB_GRES"])
    return int(held[1]) if held else 0


def make(folder: Path, release: Path, config: dict) -> Checkout:
    folder.mkdir()
    return Checkout(folder, release, config)


@pytest.fixture(scope="module")
def local(tmp_path_factory, tiny_release) -> Checkout:
    """The metrics as a run without SLURM makes them."""
    checkout = make(tmp_path_factory.mktemp("local") / "checkout", tiny_release, CONFIG)
    checkout.snakemake("--cores", "2", "metrics")
    return checkout


@pytest.fixture(scope="module")
def planned_jobs() -> dict[str, int]:
    """What the dry run before the first submission planned: jobs by rule."""
    return {}


@pytest.fixture(scope="module")
def built(cluster, tmp_path_factory, tiny_release, planned_jobs) -> Checkout:
    checkout = make(tmp_path_factory.mktemp("slurm") / "checkout", tiny_release, CONFIG)
    planned_jobs.update(Counter(job.rule for job in checkout.planned(*COMMAND)))
    checkout.snakemake(*COMMAND)
    return checkout


@pytest.fixture
def edited(built, tmp_path) -> Checkout:
    """A copy of the built tree, to submit more from."""
    return built.copied_to(tmp_path / "copy")


def metrics_of(checkout: Checkout) -> bytes:
    return (checkout.folder / "results" / "metrics.csv").read_bytes()


def test_metrics_equal_a_local_runs(built, local):
    assert metrics_of(built) == metrics_of(local)
    assert (built.folder / "results" / "report.html").exists()


def test_training_jobs_hold_one_gpu_and_no_other_job_any(built, planned_jobs):
    jobs = slurm_jobs(built)
    training = [job for job in jobs if rule_of(job) in TRAINING]
    assert {rule_of(job) for job in training} == TRAINING
    assert len(training) == sum(planned_jobs[rule] for rule in TRAINING)
    assert {gpus_of(job) for job in training} == {1}
    others = [job for job in jobs if rule_of(job) not in TRAINING]
    assert others
    assert {gpus_of(job) for job in others} == {0}


def test_small_jobs_are_batched_and_a_batch_asks_for_few_cores(built, planned_jobs):
    batches = [job for job in slurm_jobs(built) if rule_of(job) not in TRAINING]
    small = sum(count for rule, count in planned_jobs.items() if rule not in TRAINING | LOCAL)
    assert 2 * len(batches) < small
    cores = yaml.safe_load((built.folder / PROFILE).read_text())["cores"]
    (evasion,) = [job for job in batches if rule_of(job) == "evasion_score_evasion"]
    assert {int(job["NumCPUs"]) for job in batches} <= set(range(1, cores + 1))
    assert evasion["NumCPUs"] == str(min(cores, planned_jobs["score_evasion"])) != "1"


def test_a_second_run_submits_nothing(built):
    before = len(slurm_jobs(built))
    done = built.snakemake(*COMMAND)
    assert "Nothing to be done" in done.stdout + done.stderr
    assert len(slurm_jobs(built)) == before


FAILING_PARTS = """
from pathlib import Path

from sklearn.preprocessing import FunctionTransformer


class Broken(FunctionTransformer):
    def fit(self, X, y=None):
        raise ValueError("this defence never works")


class Flaky(FunctionTransformer):
    def fit(self, X, y=None):
        marker = Path("failed-once")
        if not marker.exists():
            marker.touch()
            raise ValueError("this defence works the second time")
        return super().fit(X, y)
"""


def own_partition(checkout: Checkout) -> None:
    """Put to use what the profile suggests, in a comment, for GPUs in a partition of their own."""
    path = checkout.folder / PROFILE
    before, after = path.read_text().split("# set-resources:\n")
    suggestion = re.match(r"(#   .*\n)+", after)[0]
    gres = re.search(r"or, for --gres: (&gpu .*)", suggestion)[1]
    settings = re.sub("(?m)^# ", "", suggestion).replace("&gpu {slurm_partition: gpu}", gres, 1)
    path.write_text(f"{before}set-resources:\n{settings}{after.removeprefix(suggestion)}")


def test_a_job_that_fails_on_the_node_is_retried_and_then_reported(edited):
    (edited.folder / "workflow" / "failing_parts.py").write_text(FAILING_PARTS)
    for name in ("Broken", "Flaky"):
        edited.configure("defences", **{name.lower(): {"class": f"failing_parts.{name}"}})
    own_partition(edited)
    targets = [UNPOISONED.format(name) for name in ("broken", "flaky")]
    done = edited.snakemake(*COMMAND, "--retries", "1", "--", *targets, check=False)
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert output.count("Trying to restart") == 2
    assert "this defence never works" in output
    assert [(edited.folder / target).exists() for target in targets] == [False, True]
    jobs = slurm_jobs(edited)
    states = {
        name: [job["JobState"] for job in jobs if f"_{name}_" in job["Comment"]]
        for name in ("broken", "flaky")
    }
    assert states == {"broken": ["FAILED", "FAILED"], "flaky": ["FAILED", "COMPLETED"]}
    # What the profile suggests for clusters that want --gres and have a partition of GPUs.
    assert {(job["Partition"], job["TresPerNode"], gpus_of(job)) for job in jobs} == {
        ("gpu", "gres:gpu:1", 1)
    }


def test_the_device_is_the_nodes_business(edited):
    edited.configure("compute", device="cuda")
    shutil.rmtree((edited.folder / UNPOISONED.format("none")).parent)
    done = edited.snakemake(
        *COMMAND, "--retries", "0", "--", UNPOISONED.format("none"), check=False
    )
    assert done.returncode != 0
    assert [job["JobState"] for job in slurm_jobs(edited)] == ["FAILED"]
    assert "'cuda' was asked for" in done.stdout + done.stderr


def wait_for_training(checkout: Checkout, rule: str) -> None:
    """Until a job of this rule is on the node, at work."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        for job in slurm_jobs(checkout):
            if rule_of(job) == rule and job["JobState"] == "RUNNING":
                return
        time.sleep(0.5)
    pytest.fail(f"no {rule} came to run")


def test_a_node_that_dies_and_comes_back_loses_nothing(cluster, edited, local):
    edited.configure("compute", device="cpu")
    for defence in GRID["defences"]:
        shutil.rmtree((edited.folder / UNPOISONED.format(defence)).parent)
    (edited.folder / "results" / "metrics.csv").unlink()
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(edited.snakemake, *COMMAND, "metrics")
        try:
            wait_for_training(edited, "train_unpoisoned")
            cluster_command("kill-node", cluster)
        finally:
            cluster_command("start-node", cluster)
        run.result()
    jobs = slurm_jobs(edited)
    assert {job["JobState"] for job in jobs} == {"COMPLETED"}
    assert {job["Restarts"] for job in jobs if rule_of(job) == "train_unpoisoned"} >= {"1"}
    # SLURM brought the jobs back: nothing was submitted twice, and what had finished stayed.
    assert len({job["Comment"] for job in jobs}) == len(jobs)
    assert "train_surrogate" not in {rule_of(job) for job in jobs}
    # With `device: cpu`, training asks for no GPU.
    assert {gpus_of(job) for job in jobs} == {0}
    assert metrics_of(edited) == metrics_of(local)
    assert not edited.planned(*COMMAND, "metrics")
