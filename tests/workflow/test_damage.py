"""Damage among the intermediate files: the run stops with the way to mend it, and that mends it."""

from __future__ import annotations

import os
import shutil

import pytest

from checkout import TINY, Checkout

pytestmark = pytest.mark.workflow

CONFIG = {
    **TINY,
    "grid": {
        **TINY["grid"],
        "datasets": ["simulated"],
        "attacks": ["independent"],
        "trigger_sizes": [4],
        "poison_rates": [5],
        "defences": ["ae"],
    },
    "surrogate": {"classifier": "lightgbm"},
}
SIMULATED = "datasets={simulated: {rows: 300, families: 20, vendors: 20}}"
SEED = "results/simulated/seed-0"
CELL = f"{SEED}/independent-n004-p0500"
ATTACK = f"{SEED}/attacks/independent"
RESULT = f"{CELL}/ae/embernn"
UNPOISONED = f"{SEED}/unpoisoned/ae/embernn"
AUTOENCODER = f"{SEED}/unpoisoned/autoencoders/paper.safetensors"
# Files that are damaged together, and files that are deleted and asked for, so that they are read.
ROUNDS = {
    "raw row": (["results/simulated/release/train_features_2.jsonl"], [f"{SEED}/vectors.h5"]),
    "CSV": ([f"{SEED}/split.csv"], [f"{SEED}/vectors.h5"]),
    "JSON": ([f"{ATTACK}/trigger.json"], [f"{RESULT}/scores.h5"]),
    "safetensors and HDF5": (
        [AUTOENCODER, f"{ATTACK}/poison.h5"],
        [f"{UNPOISONED}/scores.h5", f"{CELL}/autoencoders/paper.safetensors"],
    ),
    "folder": ([f"{UNPOISONED}/detector/scaler.safetensors"], [f"{ATTACK}/evasion.h5"]),
}


def run(checkout, targets, **options):
    return checkout.snakemake("--cores", "1", "--config", SIMULATED, "--", *targets, **options)


@pytest.fixture(scope="module")
def built(tmp_path_factory, tiny_release) -> Checkout:
    checkout = Checkout(tmp_path_factory.mktemp("damage"), tiny_release, CONFIG)
    run(checkout, [f"{RESULT}/scores.h5", f"{ATTACK}/evasion.h5"])
    return checkout


def flip_a_bit(path):
    """Without changing the time stamp, as a failing disk would."""
    stat = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.parametrize("name", ROUNDS)
def test_damage_stops_the_run_and_the_advice_mends_it(built, name):
    damaged, wanted = ROUNDS[name]
    sound = {file: (built.folder / file).read_bytes() for file in (*damaged, *wanted)}
    for file in damaged:
        flip_a_bit(built.folder / file)
    for file in wanted:
        (built.folder / file).unlink()
    failed = run(built, wanted, check=False)
    output = failed.stdout + failed.stderr
    assert failed.returncode != 0
    for file in damaged:
        target = file.removesuffix("/scaler.safetensors")
        assert f"error: {file}" in output
        assert f"delete {target} and run the same command again" in output
        path = built.folder / target
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    run(built, wanted)
    for file, content in sound.items():
        assert (built.folder / file).read_bytes() == content
