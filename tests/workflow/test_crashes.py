"""Kills, interrupts and second runs: nothing is lost, and nothing half-done is trusted."""

from __future__ import annotations

import random
import signal
import time
from contextlib import suppress
from itertools import count
from os import kill
from shutil import disk_usage, rmtree

import pytest

from checkout import TINY, Checkout, Run, announced, finished

pytestmark = pytest.mark.workflow

KILLS = 20
SMALL = {
    **TINY,
    "grid": {
        **TINY["grid"],
        "attacks": ["fgsm-flip"],
        "defences": ["none", "ae"],
        "trigger_sizes": [4],
    },
}
SURROGATE = "results/ember/seed-0/surrogates/embernn-10000/detector"
LOCKED = "Directory cannot be locked"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, tiny_release) -> bytes:
    """The metrics of a run that nobody disturbed."""
    checkout = Checkout(tmp_path_factory.mktemp("undisturbed"), tiny_release, SMALL)
    checkout.snakemake("--cores", "2", "metrics")
    return (checkout.folder / "results" / "metrics.csv").read_bytes()


def disturb(run: Run, number: int, chance: random.Random) -> bool:
    """Kill a run, or parts of it, at a random moment; whether it still ran by then."""
    if number % 4 == 3:  # while it starts
        time.sleep(chance.uniform(0, 2))
    else:
        run.wait_for("rule ")
        time.sleep(chance.uniform(0, 3))
    if number % 2:
        for worker in run.workers()[:1]:
            with suppress(ProcessLookupError):
                kill(worker, signal.SIGKILL)
        time.sleep(chance.uniform(0, 2))
    alive = run.process.poll() is None
    if number % 3:
        run.signal_all(signal.SIGKILL)
    else:  # its jobs live on, and may end beside those of the next run
        run.process.kill()
    run.process.wait()
    return alive


def test_kills_at_random_moments_lose_nothing(tmp_path, tiny_release, undisturbed):
    chance = random.Random(11)
    kills = 0
    for tree in count():
        folder = tmp_path / str(tree)
        folder.mkdir()
        checkout = Checkout(folder, tiny_release, SMALL)
        done = set()
        complete = False
        while not complete:
            # What `--unlock` does, without its start.
            rmtree(folder / ".snakemake" / "locks", ignore_errors=True)
            run = checkout.start("--cores", "2", "metrics")
            if kills < KILLS:
                kills += disturb(run, kills, chance)
            run.process.wait()
            again = done & set(announced(run.output).values())
            assert not again, f"done again: {again}"
            done |= finished(run.output)
            complete = run.process.returncode == 0
            assert complete or kills <= KILLS
        assert (folder / "results" / "metrics.csv").read_bytes() == undisturbed
        assert not list(folder.glob("results/**/.*partial*"))
        if kills == KILLS:
            return


def test_after_a_kill_the_message_says_how_to_go_on(tmp_path, tiny_release):
    checkout = Checkout(tmp_path, tiny_release, SMALL)
    run = checkout.start("--cores", "1", SURROGATE)
    run.wait_for("rule ")
    run.signal_all(signal.SIGKILL)
    run.process.wait()
    refused = checkout.snakemake("--cores", "1", SURROGATE, check=False)
    assert refused.returncode != 0
    assert LOCKED in refused.stdout + refused.stderr
    assert "--unlock" in refused.stdout + refused.stderr
    checkout.snakemake("--unlock")
    checkout.snakemake("--cores", "1", SURROGATE)


def test_ctrl_c_leaves_no_file_that_a_later_run_trusts(tmp_path, tiny_release, undisturbed):
    checkout = Checkout(tmp_path, tiny_release, SMALL)
    # Begun in the background of a script, this process and what it starts would ignore the signal.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for wait in (0.1, 0.5, 1.0):  # less than such a job takes
        run = checkout.start("--cores", "2", "metrics")
        run.wait_for("rule train_")
        time.sleep(wait)
        run.signal_all(signal.SIGINT)
        assert run.process.wait(timeout=600) != 0
        assert not list(tmp_path.glob("results/**/.*partial*"))
    checkout.snakemake("--cores", "2", "metrics")
    assert (tmp_path / "results" / "metrics.csv").read_bytes() == undisturbed


def test_a_second_run_in_the_same_folder_is_refused(tmp_path, tiny_release):
    checkout = Checkout(tmp_path, tiny_release, SMALL)
    first = checkout.start("--cores", "1", SURROGATE)
    first.wait_for("rule ")
    first.signal_all(signal.SIGSTOP)  # else it might end before the second has started
    second = checkout.snakemake("--cores", "1", SURROGATE, check=False)
    first.signal_all(signal.SIGCONT)
    assert second.returncode != 0
    assert LOCKED in second.stdout + second.stderr
    assert first.process.wait(timeout=600) == 0


def test_after_a_full_disk_the_same_command_goes_on(mount_disk, tiny_release, undisturbed):
    disk = mount_disk("16m")
    checkout = Checkout(disk, tiny_release, SMALL)
    checkout.snakemake("--cores", "2", SURROGATE)
    free = disk_usage(disk).free
    autoencoder = "results/ember/seed-0/unpoisoned/autoencoders/paper.safetensors"

    def refusal(room: int) -> str:
        (disk / "ballast").write_bytes(bytes(free - room))
        run = checkout.snakemake("--cores", "1", "--", autoencoder, check=False)
        assert run.returncode != 0
        return run.stdout + run.stderr

    # Enough for Snakemake's own notes, too little for the autoencoder of 240 kB.
    output = refusal(160_000)
    assert f"error: {autoencoder}: no space left on the disk" in output
    assert "run the same command again" in output
    assert "Traceback" not in output
    assert not list(disk.glob("results/**/.*partial*"))
    free = disk_usage(disk).free + (disk / "ballast").stat().st_size
    # Too little even for the notes: Snakemake itself says why it stops, and leaves no lock.
    assert "No space left on device" in refusal(0)
    (disk / "ballast").unlink()
    checkout.snakemake("--cores", "2", "metrics")
    assert (disk / "results" / "metrics.csv").read_bytes() == undisturbed
