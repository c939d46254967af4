"""A tiny EMBER2024 as it is published: two zips of weeks, every row twice, split by time."""

from __future__ import annotations

import json
import zipfile
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from checkout import DEFENCES, TINY, Checkout
from dokunuki.corpus.vectors import read_vectors
from ember2024_rows import capa_copy, raw_row_3, reference_vector

pytestmark = pytest.mark.workflow

WEEKS = {
    "train": [date(2023, 9, 24) + timedelta(weeks=week) for week in range(6)],
    "test": [date(2024, 9, 22) + timedelta(weeks=week) for week in range(3)],
}
ROWS_A_WEEK = 40
FILE_TYPE = "Win64"


def weekly_rows(rng, start: date) -> list[dict]:
    """Rows of one week, half of them malware, in the order of their sha256."""
    rows = []
    for number in range(ROWS_A_WEEK):
        day = datetime(start.year, start.month, start.day, 12, tzinfo=UTC)
        seconds = (day + timedelta(days=int(rng.integers(7)))).timestamp()
        told = {"file_type": FILE_TYPE, "first_submission_date": int(seconds)}
        rows.append(raw_row_3(rng, number % 2) | told)
    return sorted(rows, key=lambda row: row["sha256"])


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """A folder with Win64_train.zip, Win64_test.zip and challenge.zip, and all rows by sha256."""
    folder = tmp_path_factory.mktemp("ember2024")
    rng = np.random.default_rng(24)
    known: dict[str, tuple[dict, str]] = {}
    recurring: list[dict] = []
    for part, weeks in WEEKS.items():
        with zipfile.ZipFile(folder / f"{FILE_TYPE}_{part}.zip", "w", zipfile.ZIP_DEFLATED) as file:
            for start in weeks:
                rows = weekly_rows(rng, start)
                known |= {row["sha256"]: (row, str(start)) for row in rows}
                published = [copy for row in rows for copy in (row, capa_copy(row))] + recurring
                recurring = [row for row in rows if row["label"] == 0][:2]
                name = f"{start}_{start + timedelta(days=6)}_{FILE_TYPE}_{part}.jsonl"
                file.writestr(name, "".join(json.dumps(row) + "\n" for row in published))
    with zipfile.ZipFile(folder / "challenge.zip", "w", zipfile.ZIP_DEFLATED) as file:
        rows = [raw_row_3(rng, 1) for _ in range(3)]
        name = f"2023-09-24_2023-09-30_{FILE_TYPE}_challenge_malicious.jsonl"
        file.writestr(name, "".join(json.dumps(row) + "\n" for row in rows))
    return folder, known


@pytest.fixture(scope="module")
def built(tmp_path_factory, release) -> Checkout:
    dataset = {"kind": "ember", "version": 3, "file_types": [FILE_TYPE], "path": str(release[0])}
    config = {
        **TINY,
        "datasets": {"ember2024": dataset},
        "sample": {**TINY["sample"], "split": "time"},
        "grid": {**TINY["grid"], "datasets": ["ember2024"], "attacks": ["independent"]},
    }
    checkout = Checkout(tmp_path_factory.mktemp("checkout"), release[0], config)
    checkout.snakemake("--cores", "2", "metrics")
    return checkout


def test_rows_are_told_apart_before_any_is_drawn(built, release):
    report = json.loads((built.folder / "results" / "ember2024" / "corpus.json").read_text())
    distinct = ROWS_A_WEEK * 9
    assert len(release[1]) == report["rows"]["usable"] == distinct
    assert report["duplicates"]["count"] == distinct + 2 * 8
    assert report["left_out"] == {"count": 3, "challenge": 3}


def test_what_is_measured_is_later_than_what_is_trained_on(built, release):
    split = pd.read_csv(
        built.folder / "results" / "ember2024" / "seed-0" / "split.csv", keep_default_na=False
    )
    assert split["sha256"].is_unique
    assert split["role"].value_counts().to_dict() == {"train": 80, "validation": 40, "test": 20}
    later = split["role"].isin(["test", "validation"])
    assert split.loc[~later, "appeared"].max() < split.loc[later, "appeared"].min()
    _, known = release
    for row in split.itertuples():
        raw, week = known[row.sha256]
        assert (row.family, row.week) == (raw["family"] or "", week)
        assert row.file.endswith(f"_{FILE_TYPE}_{'test' if week > '2024' else 'train'}.jsonl")


def test_vectors_and_metrics(built, release):
    vectors = read_vectors(built.folder / "results" / "ember2024" / "seed-0" / "vectors.h5")
    expected = [reference_vector(release[1][sha256][0]) for sha256 in vectors.sha256]
    np.testing.assert_array_equal(vectors.X[:], np.stack(expected))
    metrics = built.metrics()
    assert set(metrics["status"]) == {"ok"}
    # Per defence the unpoisoned run, N = 2 and N = 4 at p = 5 %, and N = 4 at p = 0.
    assert len(metrics) == DEFENCES * 4
