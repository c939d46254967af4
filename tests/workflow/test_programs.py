"""A folder of programs with a CSV of labels, from files to metrics."""

from __future__ import annotations

import json

import pytest

from checkout import DEFENCES, TINY, Checkout
from dokunuki.corpus.vectors import read_vectors
from made_up_programs import CODE, DATA, launchers, made_up_program

pytestmark = pytest.mark.workflow

ROWS = 140


def write_programs(folder):
    """Made-up programs of two classes, real launchers, and files that are no programs."""
    folder.mkdir()
    lines = ["Path;Label"]
    for number in range(ROWS + 40):
        label = number % 2
        names = [("UPX0", CODE), ("UPX1", CODE)] if label else [("text", CODE), ("data", DATA)]
        path = folder / f"{number:03d}.exe"
        path.write_bytes(made_up_program([*names, (f"s{number}", DATA)], entry=0x1000 + number))
        lines.append(f"{path.name};{'malicious' if label else 'benign'}")
    for path in launchers():
        (folder / path.name).write_bytes(path.read_bytes())
        lines.append(f"{path.name};0")
    (folder / "empty.exe").touch()
    (folder / "short.exe").write_bytes(launchers()[0].read_bytes()[:80])
    (folder / "long.exe").write_bytes(b"MZ" + bytes(1_000_000))
    labels = folder.parent / "labels.csv"
    labels.write_text("\ufeff" + "\n".join(lines))
    return labels


@pytest.fixture(scope="module")
def built(tmp_path_factory, tiny_release) -> Checkout:
    folder = tmp_path_factory.mktemp("programs")
    labels = write_programs(folder / "files")
    dataset = {
        "kind": "programs",
        "path": str(folder / "files"),
        "labels": str(labels),
        "version": 2,
        "max_bytes": 900_000,
    }
    grid = {
        **TINY["grid"],
        "datasets": ["mine"],
        "attacks": ["independent"],
        "trigger_sizes": [4],
        "poison_rates": [5],
    }
    config = {**TINY, "grid": grid, "datasets": {"mine": dataset}}
    checkout = Checkout(tmp_path_factory.mktemp("checkout"), tiny_release, config)
    checkout.snakemake("--cores", "2", "metrics")
    return checkout


def test_the_grid_runs_on_programs(built):
    metrics = built.metrics()
    assert set(metrics["status"]) == {"ok"}
    assert set(metrics["corpus"]) == {"programs"}
    assert len(metrics) == 2 * DEFENCES
    vectors = read_vectors(built.folder / "results" / "mine" / "seed-0" / "vectors.h5")
    assert vectors.X.shape == (ROWS, 2381)
    assert vectors.corpus == "programs"


def test_what_could_not_be_extracted_is_listed(built):
    folder = built.folder / "results" / "mine"
    report = json.loads((folder / "corpus.json").read_text())
    assert report["bad_rows"]["count"] == 0
    found = report["not_extracted"]
    kinds = {entry["path"]: entry["kind"] for entry in found["listed"]}
    assert kinds == {"empty.exe": "empty", "long.exe": "too_large", "short.exe": "no_program"}
    assert found["count"] == 3
    assert len((folder / "programs" / "errors.csv").read_text().splitlines()) == 4


def test_another_label_extracts_again_and_nothing_else_does(built, tmp_path):
    assert built.planned("metrics") == set()
    checkout = built.copied_to(tmp_path)
    text = (checkout.folder / "overlay.yaml").read_text()
    labels = text.partition("labels: ")[2].partition("\n")[0]
    other = tmp_path / "other.csv"
    other.write_text(open(labels, encoding="utf-8").read().replace("001.exe;malicious", "001.exe;"))  # noqa: PTH123, SIM115
    checkout.edit("overlay.yaml", f"labels: {labels}", f"labels: {other}")
    rules = {job.rule for job in checkout.planned("metrics")}
    assert {"extract_programs", "index_corpus", "draw_sample"} <= rules


def test_a_folder_that_is_not_there_is_said_before_any_job(built, tmp_path):
    checkout = built.copied_to(tmp_path)
    missing = f"datasets={{mine: {{path: {tmp_path}/none}}}}"
    done = checkout.snakemake("-n", "--cores", "1", "metrics", "--config", missing, check=False)
    assert done.returncode
    assert "none: no such folder" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
