"""What the benchmark of the whole grid reads of its jobs and of their files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench.grid import BENCHMARKS, SEEDS, gigabytes, job

if TYPE_CHECKING:
    from pathlib import Path

VICTIM = BENCHMARKS / "train_victim" / "simulated" / "seed-0"


def ran(folder: Path, path: Path, seconds: float, log: str = "") -> None:
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"s\tmax_rss\n{seconds}\t1\n", encoding="utf-8")
    written = folder / "results" / "logs" / path.relative_to(BENCHMARKS).with_suffix(".log")
    written.parent.mkdir(parents=True, exist_ok=True)
    written.write_text(log, encoding="utf-8")


def test_a_job_is_its_benchmark_file(tmp_path):
    ran(tmp_path, VICTIM / "a" / "ae" / "embernn.tsv", 10)
    ran(tmp_path, BENCHMARKS / "write_report.tsv", 3)
    assert job(tmp_path, VICTIM / "a" / "ae" / "embernn.tsv") == ("train_victim", 10, False)
    assert job(tmp_path, BENCHMARKS / "write_report.tsv") == ("write_report", 3, False)


def test_a_victim_that_took_scores_is_told_from_one_that_was_trained(tmp_path):
    spared, trained = VICTIM / "a" / "deletion" / "x.tsv", VICTIM / "a" / "none" / "x.tsv"
    ran(tmp_path, spared, 1, "the same rows as the unpoisoned one: its scores are taken\n")
    ran(tmp_path, trained, 1, "epoch 1\n")
    assert job(tmp_path, spared).spared
    assert not job(tmp_path, trained).spared


def test_only_the_first_seed_keeps_its_autoencoders(tmp_path):
    seed = tmp_path / "results" / "simulated" / "seed-0"
    sizes = {
        tmp_path / "results" / "simulated" / "index.h5": 1000,
        seed / "vectors.h5": 200,
        seed / "cell" / "autoencoders" / "paper.safetensors": 2 << 20,
    }
    for path, size in sizes.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))
    expected = 1000 + SEEDS * 200 + (2 << 20)
    assert gigabytes(tmp_path) == pytest.approx(expected / 1e9)
