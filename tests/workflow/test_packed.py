"""A packed release: unpacked once for all seeds, and the same tables as from its folder."""

from __future__ import annotations

import tarfile
from collections import Counter

import pytest

from checkout import TINY, Checkout

pytestmark = pytest.mark.workflow

GRID = {
    "attacks": ["independent"],
    "defences": ["none"],
    "trigger_sizes": [4],
    "poison_rates": [5],
}
SEEDS = "grid={seeds: [0, 1]}"


def test_an_archive_is_read_once_and_gives_the_same_tables(tmp_path, tiny_release):
    config = {**TINY, "grid": {**TINY["grid"], **GRID}}
    archive = tmp_path / "ember.tar.xz"
    with tarfile.open(archive, "w:xz") as packed:
        packed.add(tiny_release, "ember")
    checkouts = []
    for name, release in (("folder", tiny_release), ("archive", archive)):
        (tmp_path / name).mkdir()
        checkouts.append(Checkout(tmp_path / name, release, config))
    loose, stored = checkouts
    loose.snakemake("--cores", "2", "metrics", "--config", SEEDS)

    assert Counter(job.rule for job in stored.planned("metrics"))["unpack_release"] == 1
    stored.snakemake("--cores", "2", "metrics")
    # Whoever reads the archive again will not get far, and Snakemake sees no change.
    content = bytearray(archive.read_bytes())
    content[100:-100] = bytes(len(content) - 200)
    archive.write_bytes(content)
    jobs = stored.planned("metrics", "--config", SEEDS)
    assert not {"unpack_release", "index_corpus"} & {job.rule for job in jobs}
    stored.snakemake("--cores", "2", "metrics", "--config", SEEDS)
    for table in ("metrics.csv", "ember/seed-0/split.csv", "ember/seed-1/split.csv"):
        expected, found = ((c.folder / "results" / table).read_bytes() for c in checkouts)
        assert found == expected, table

    # Another archive of other size is another release.
    archive.write_bytes(bytes(content) + b"more")
    assert "unpack_release" in {job.rule for job in stored.planned("metrics")}


def test_a_truncated_archive_stops_the_run_and_leaves_nothing(tmp_path, tiny_release):
    archive = tmp_path / "ember.tgz"
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(tiny_release, "ember")
    archive.write_bytes(archive.read_bytes()[:-1000])
    (tmp_path / "checkout").mkdir()
    checkout = Checkout(tmp_path / "checkout", archive, TINY)
    done = checkout.snakemake("--cores", "1", "metrics", check=False)
    assert done.returncode != 0
    output = done.stdout + done.stderr
    assert f"{archive}" in output
    assert "empty, truncated or damaged" in output
    assert "Traceback" not in output
    assert not (checkout.folder / "results" / "ember" / "rows.h5").exists()
