"""What is left of a feed and its detector when the poison is out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dokunuki.audit import repairing
from dokunuki.audit.running import audit_rows
from dokunuki.audit.stages.checking import checks_of
from dokunuki.audit.stages.fitting import fit_of
from dokunuki.audit.stages.inverting import candidates_of
from dokunuki.audit.stages.proving import findings_of
from dokunuki.audit.stages.reading import FEED
from dokunuki.audit.stages.suspecting import suspects_of
from dokunuki.corpus.own_layout import read_layout
from dokunuki.corpus.sampling import Split
from dokunuki.corpus.vectors import Vectors
from dokunuki.detector import Detector
from planted_feeds import NAMES, POISONED, make_feed, write_layout

SPEC = {"detector": "lightgbm", "seed": 0}


def vectors_of(folder, *, planted, rows=600):
    table = make_feed(planted=planted, rows=rows)
    return Vectors(
        table[NAMES].to_numpy(np.float32),
        (table["verdict"] == "malware").to_numpy(np.int8),
        table["sha256"].to_numpy(str),
        np.full(rows, ""),
        np.full(rows, FEED),
        read_layout(write_layout(folder)),
        "feed",
        "rows",
    )


def rows_of(vectors):
    """What `read_feed` says of the rows, which are called by their sha256."""
    rows, nothing = np.arange(len(vectors.y)), np.full(len(vectors.y), "")
    return Split(
        rows, vectors.sha256, vectors.y, nothing, vectors.role, nothing, rows, nothing, nothing,
        nothing,
    )  # fmt: skip


def purified(folder, vectors):
    """The stages in turn, as the rules run them."""
    checks = checks_of(vectors)
    fit = fit_of(vectors, checks, "lightgbm", seed=0, threads=1, device="cpu")
    suspects = suspects_of(vectors, checks, fit, seed=0, threads=1)
    candidates = candidates_of(vectors, checks, suspects, seed=0)
    findings = findings_of(vectors, checks, fit, candidates, seed=0, threads=1, device="cpu")
    return repairing.purify_feed(
        vectors,
        rows_of(vectors),
        checks,
        fit,
        suspects,
        findings,
        SPEC,
        threads=1,
        device="cpu",
        feed=folder / "clean_feed.parquet",
        folder=folder / "detector",
    )


def test_poison_goes_and_the_accuracy_stays(tmp_path):
    vectors = vectors_of(tmp_path, planted=True)
    result, repair = purified(tmp_path, vectors)
    assert result.verdict == "proved"
    before, after = repair.pass_rates[0]
    assert after < before - 0.2
    assert repair.accuracy_after > repair.accuracy_before - 0.1
    assert repair.rows_kept_aside == len(vectors.y) - POISONED
    clean = pd.read_parquet(tmp_path / "clean_feed.parquet")
    assert len(clean) == repair.rows == len(vectors.y) - len(result.purification.leave_out)
    assert Detector.load(tmp_path / "detector").train_rows_ == repair.rows


def test_where_nothing_is_suspected_the_feed_stays_as_it_is(tmp_path):
    vectors = vectors_of(tmp_path, planted=False)
    result, repair = purified(tmp_path, vectors)
    assert result.verdict == "nothing proved"
    assert repair.accuracy_after == repair.accuracy_before == pytest.approx(result.accuracy)
    clean = pd.read_parquet(tmp_path / "clean_feed.parquet")
    np.testing.assert_array_equal(clean[NAMES].to_numpy(), vectors.X)
    np.testing.assert_array_equal(clean["label"], vectors.y)


def test_where_nothing_can_be_told_there_is_no_detector_even_of_an_earlier_audit(tmp_path):
    (tmp_path / "detector.onnx").write_text("of an earlier audit")
    result, repair = purified(tmp_path, vectors_of(tmp_path, planted=True, rows=50))
    assert (result.verdict, repair) == ("cannot tell", None)
    assert not any((tmp_path / "detector").iterdir())
    assert not (tmp_path / "detector.onnx").exists()
    assert len(pd.read_parquet(tmp_path / "clean_feed.parquet")) == 50


def test_the_stages_by_files_answer_as_the_library_does(tmp_path):
    vectors = vectors_of(tmp_path, planted=True)
    result, _ = purified(tmp_path, vectors)
    whole = audit_rows(vectors.X, vectors.y, vectors.layout)
    assert (result.verdict, result.reasons) == (whole.verdict, whole.reasons)
    np.testing.assert_array_equal(result.suspected_rows, whole.suspected_rows)
