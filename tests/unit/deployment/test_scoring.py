import csv
import gzip
import io
import json
from pathlib import Path

import numpy as np
import orjson
import pandas as pd
import pytest

from conftest import raw_row
from dokunuki.corpus.layout_record import layout_from_record
from dokunuki.corpus.vectoriser import vectorise
from dokunuki.deployment.model import HALF, Deployed, Folder, load_model
from dokunuki.deployment.rows import Limits
from dokunuki.deployment.scoring import score_rows, write_scores
from dokunuki.detector import Detector
from dokunuki.errors import ConfigError, CorpusError, DataFileError, DokunukiError
from exported import LAYOUT, network
from made_up_programs import made_up_program


@pytest.fixture(scope="module")
def detector(simulated):
    fitted = Detector([], network()).fit(*simulated)
    fitted.thresholds = {"fpr_1": 0.9}
    return fitted


@pytest.fixture(scope="module")
def model(detector, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "detector.onnx"
    detector.to_onnx(path)
    return load_model(path)


@pytest.fixture
def raw(rng):
    return [raw_row(rng, number % 2) for number in range(150)]


def write_lines(path, rows):
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return path


def close(scores, rows, detector):
    X = rows if isinstance(rows, np.ndarray) else vectorise(rows, 1)
    np.testing.assert_allclose(
        [score.score for score in scores], detector.malware_scores(X), rtol=0, atol=1e-5
    )


def table_of(X, **sides):
    return pd.DataFrame(X, columns=list(LAYOUT.names)).assign(**sides)


def test_raw_rows_are_scored_in_their_order(raw, model, detector, tmp_path):
    path = write_lines(tmp_path / "new.jsonl", raw)
    scores = list(score_rows(model, path))
    close(scores, raw, detector)
    assert [score.row for score in scores] == list(range(1, 151))
    assert {score.file for score in scores} == {str(path)}
    assert [score.sha256 for score in scores] == [row["sha256"] for row in raw]
    for score in scores:
        assert score.verdicts == {
            "half": "malware" if score.score >= 0.5 else "goodware",
            "fpr_1": "malware" if score.score >= 0.9 else "goodware",
        }


def test_real_rows_are_scored_alike_by_both(sample_folder, model, detector):
    scores = list(score_rows(model, sample_folder))
    assert len(scores) == 736
    assert not [score.error for score in scores if score.error]
    rows = [
        orjson.loads(line)
        for file in dict.fromkeys(score.file for score in scores)
        for line in Path(file).read_bytes().splitlines()
    ]
    assert [score.sha256 for score in scores] == [row["sha256"] for row in rows]
    close(scores, rows, detector)


def test_label_date_and_sha256_need_not_be_told(raw, model, detector, tmp_path):
    bare = [
        {key: value for key, value in row.items() if key not in ("sha256", "label", "appeared")}
        for row in raw
    ]
    scores = list(score_rows(model, write_lines(tmp_path / "new.jsonl", bare)))
    close(scores, raw, detector)
    assert {score.sha256 for score in scores} == {""}


def test_a_bad_row_is_one_result(raw, model, detector, tmp_path):
    lines = [orjson.dumps(row) for row in raw]
    lines[3] = lines[3][:-40]
    lines[140] = orjson.dumps({**raw[140], "histogram": [1, 2]})
    path = tmp_path / "new.jsonl"
    path.write_bytes(b"\n".join([*lines[:5], b"", *lines[5:]]) + b"\n")
    scores = list(score_rows(model, path))
    assert len(scores) == 150
    bad = {score.row: score for score in scores if score.error}
    assert bad.keys() == {4, 142}
    assert "malformed JSON" in bad[4].error
    assert f"{path}:142: histogram has 2 entries" in bad[142].error
    assert bad[4].score is None
    sound = [score for score in scores if not score.error]
    close(sound, [row for n, row in enumerate(raw) if n not in (3, 140)], detector)


def test_packed_rows_before_the_damage_are_scored(raw, model, detector, tmp_path):
    path = tmp_path / "new.jsonl.gz"
    rows = raw * 4
    packed = gzip.compress(b"".join(orjson.dumps(row) + b"\n" for row in rows), 1)
    path.write_bytes(packed)
    close(list(score_rows(model, path)), rows, detector)
    path.write_bytes(packed[: len(packed) * 3 // 4])
    *scores, last = score_rows(model, path)
    assert 100 < len(scores) < 600
    close(scores, rows[: len(scores)], detector)
    assert last.row is None
    assert str(path) in last.error


def test_a_file_that_cannot_be_read_does_not_stop_the_others(raw, model, detector, tmp_path):
    folder = tmp_path / "rows"
    folder.mkdir()
    write_lines(folder / "a.jsonl", raw[:3])
    (folder / "b.jsonl").write_bytes(b"")
    write_lines(folder / "c.jsonl", [raw_row(np.random.default_rng(0), 0, version=2)])
    write_lines(folder / "d.jsonl", raw[3:5])
    absent = tmp_path / "absent.jsonl"
    scores = list(score_rows(model, absent, folder))
    assert [bool(score.error) for score in scores] == [True, *[False] * 3, True, True, False, False]
    assert "no such file" in scores[0].error
    assert "b.jsonl: holds no rows" in scores[4].error
    assert "version 2" in scores[5].error
    close([score for score in scores if not score.error], raw[:5], detector)


@pytest.mark.parametrize("suffix", ["parquet", "csv", "feather", "npy", "h5"])
def test_tables_are_scored_with_and_without_labels(suffix, simulated, model, detector, tmp_path):
    X = simulated[0][:30]
    path = tmp_path / f"new.{suffix}"
    ids = [f"{number:064x}" for number in range(1, 31)]
    if suffix == "npy":
        np.save(path, X)
        ids = [""] * 30
    elif suffix == "h5":
        import h5py

        with h5py.File(path, "w") as file:
            file["X"], file["sha256"] = X, ids
    else:
        # Columns in another order, found by name.
        table = table_of(X[:, ::-1], sha256=ids)
        table.columns = [*LAYOUT.names[::-1], "sha256"]
        writers = {"parquet": "to_parquet", "feather": "to_feather", "csv": "to_csv"}
        options = {"index": False} if suffix == "csv" else {}
        getattr(table, writers[suffix])(path, **options)
    scores = list(score_rows(model, path))
    close(scores, X, detector)
    assert [score.sha256 for score in scores] == ids
    assert [score.row for score in scores] == list(range(1, 31))


def test_bad_rows_of_a_table_are_results_in_their_place(simulated, model, detector, tmp_path):
    X = simulated[0][:8].copy()
    X[2, 7], X[5] = np.nan, 0
    path = tmp_path / "new.parquet"
    table_of(X, label=1).to_parquet(path)
    scores = list(score_rows(model, path))
    assert [bool(score.error) for score in scores] == [n in (2, 5) for n in range(8)]
    assert f"{path}: row 3: {LAYOUT.names[7]} is empty" in scores[2].error
    close([score for score in scores if not score.error], X[[0, 1, 3, 4, 6, 7]], detector)


def test_memory_maps_are_scored(simulated, model, detector, tmp_path):
    X = simulated[0][:20].copy()
    X[4] = 0
    X.tofile(tmp_path / "X_test.dat")
    np.ones(20, np.float32).tofile(tmp_path / "y_test.dat")
    scores = list(score_rows(model, tmp_path))
    assert [score.row for score in scores if score.error] == [5]
    close([score for score in scores if not score.error], np.delete(X, 4, axis=0), detector)


def test_programs_are_scored_and_what_is_none_is_one_result(model, detector, tmp_path):
    folder = tmp_path / "programs"
    (folder / "in").mkdir(parents=True)
    (folder / "a.exe").write_bytes(made_up_program())
    (folder / "b.exe").write_bytes(b"no program")
    (folder / "in" / "c.exe").write_bytes(made_up_program(subsystem=2))
    (folder / "labels.csv").write_text("sha256,label\n")
    scores = list(score_rows(model, folder))
    assert [score.file for score in scores] == [
        str(folder / name) for name in ("a.exe", "b.exe", "in/c.exe")
    ]
    assert [bool(score.error) for score in scores] == [False, True, False]
    assert all(score.row is None and len(score.sha256) == 64 for score in scores)
    (alone,) = score_rows(model, folder / "a.exe")
    assert alone == scores[0]
    (long,) = score_rows(model, folder / "a.exe", limits=Limits(max_bytes=10))
    assert "more than max_bytes (10)" in long.error


def test_rows_of_other_features_are_refused(raw, model, tmp_path, rng):
    narrow = tmp_path / "narrow.npy"
    np.save(narrow, np.ones((3, 2350), np.float32))
    with pytest.raises(CorpusError, match=r"narrow.npy: has 2350 columns .*2351"):
        list(score_rows(model, narrow))
    other = write_lines(tmp_path / "v2.jsonl", [raw_row(rng, 0, version=2)])
    with pytest.raises(CorpusError, match="row carries 'datadirectories'"):
        list(score_rows(model, other))
    with pytest.raises(DokunukiError, match="takes 2351 columns"):
        model.malware_scores(np.zeros((1, 2350), np.float32))
    text = tmp_path / "notes.txt"
    text.write_text("hello")
    with pytest.raises(CorpusError, match=r"notes\.txt"):
        list(score_rows(model, text))


def test_raw_rows_need_embers_features(raw, tmp_path, rng):
    layout = layout_from_record(
        {"layout": "ours", "columns": [["a", f"f{n}", "real", True, False] for n in range(4)]}
    )
    X = rng.normal(size=(40, 4)).astype(np.float32)
    detector = Detector([], network()).fit(X, (X[:, 0] > 0).astype(int))
    detector.to_onnx(tmp_path / "a.onnx", layout=layout)
    model = load_model(tmp_path / "a.onnx")
    with pytest.raises(CorpusError, match=r"takes those of ours: give it a table"):
        list(score_rows(model, write_lines(tmp_path / "new.jsonl", raw)))
    np.save(tmp_path / "new.npy", X)
    close(list(score_rows(model, tmp_path / "new.npy")), X, detector)
    detector.save(tmp_path / "detector")
    with pytest.raises(ConfigError, match="in Python layout="):
        load_model(tmp_path / "detector")
    close(
        list(score_rows(load_model(tmp_path / "detector", layout=layout), tmp_path / "new.npy")),
        X,
        detector,
    )
    with pytest.raises(ConfigError, match="takes rows of ours"):
        load_model(tmp_path / "a.onnx", layout=LAYOUT)


def test_rows_are_read_as_they_are_asked_for(raw, model, tmp_path):
    path = write_lines(tmp_path / "new.jsonl", raw * 4)
    scores = score_rows(model, path)
    next(scores)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    *_, last = scores
    # Lines further on were not held yet.
    assert last.row < 599


def test_a_folder_scores_as_its_onnx(detector, model, simulated, tmp_path):
    detector.save(tmp_path / "detector")
    np.save(tmp_path / "new.npy", simulated[0])
    for path in (tmp_path / "detector", tmp_path / "detector" / "detector.json"):
        folder = load_model(path)
        assert isinstance(folder, Folder)
        assert folder.layout is LAYOUT
        assert folder.thresholds == model.thresholds == {"half": 0.5, "fpr_1": 0.9}
        by_folder = list(score_rows(folder, tmp_path / "new.npy"))
        by_onnx = list(score_rows(model, tmp_path / "new.npy"))
        for one, other in zip(by_folder, by_onnx, strict=True):
            assert one.score == pytest.approx(other.score, abs=1e-5)


def test_results_are_json_lines_or_csv(raw, model, tmp_path):
    lines = [orjson.dumps(row) for row in raw[:6]]
    lines[2] = b"{}"
    path = tmp_path / "näme.jsonl"
    path.write_bytes(b"\n".join(lines))
    results = list(score_rows(model, path))
    stream = io.StringIO()
    counted = write_scores(stream, results, "jsonl")
    malware = sum(result.verdicts.get("half") == "malware" for result in results)
    assert (counted.scored, counted.malware, counted.errors) == (5, malware, 1)
    records = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert list(records[0]) == ["sha256", "file", "row", "score", "verdict", "verdict_fpr_1"]
    assert list(records[2]) == ["sha256", "file", "row", "error"]
    assert records[0]["file"] == str(path)
    assert np.float32(records[0]["score"]) == np.float32(results[0].score)
    stream = io.StringIO()
    write_scores(stream, results, "csv", tuple(model.thresholds))
    rows = list(csv.DictReader(io.StringIO(stream.getvalue())))
    assert rows[0] == {**{k: str(v) for k, v in records[0].items()}, "error": ""}
    assert rows[2]["error"] == records[2]["error"]
    assert rows[2]["score"] == ""


def test_a_name_that_is_no_text_can_be_written(raw, model, tmp_path):
    path = tmp_path / b"\xff.jsonl".decode("utf-8", "surrogateescape")
    write_lines(path, raw[:1])
    stream = io.StringIO()
    assert write_scores(stream, score_rows(model, path), "jsonl").scored == 1
    assert "udcff" in stream.getvalue()


class Silent:
    """A model that gives no number for some rows."""

    layout = LAYOUT
    thresholds = HALF

    def malware_scores(self, X):
        scores = np.full(len(X), 0.25, np.float32)
        scores[1] = np.nan
        return scores


def test_no_number_is_no_verdict(simulated, tmp_path):
    np.save(tmp_path / "new.npy", simulated[0][:3])
    scores = list(score_rows(Silent(), tmp_path / "new.npy"))
    assert [score.score for score in scores] == [0.25, None, 0.25]
    assert "row 2: its values are too large" in scores[1].error


@pytest.mark.parametrize("place", [0, 40, 5000, -1])
def test_damage_to_a_file_is_noticed(place, detector, tmp_path):
    path = tmp_path / "a.onnx"
    detector.to_onnx(path)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataFileError, match=r"a.onnx: damaged.*export the detector again"):
        Deployed(path)
    path.write_bytes(bytes(content[: len(content) // 2]))
    with pytest.raises(DataFileError, match=r"a.onnx: damaged"):
        load_model(path)


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(DataFileError, match="no such file"):
        load_model(tmp_path / "absent.onnx")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DokunukiError, match=r"detector.json"):
        load_model(tmp_path / "empty")
    (tmp_path / "a.onnx").write_bytes(b"")
    with pytest.raises(DataFileError, match="not exported by dokunuki"):
        load_model(tmp_path / "a.onnx")
