"""Own rows: every kind of table gives the same vectors, and each fault is named."""

from __future__ import annotations

import gzip
import hashlib

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from dokunuki.corpus.index import build_index
from dokunuki.corpus.layout import feature_layout
from dokunuki.corpus.own_layout import read_layout
from dokunuki.corpus.own_rows import OwnRows
from dokunuki.corpus.sampling import draw_sample
from dokunuki.corpus.table_files import table_files
from dokunuki.corpus.vectors import vectorise_split
from dokunuki.errors import CorpusError

ROWS = 60
LABELS = np.arange(ROWS) % 2
IDS = [hashlib.sha256(str(row).encode()).hexdigest() for row in range(ROWS)]


@pytest.fixture
def layout(tmp_path):
    path = tmp_path / "layout.yaml"
    path.write_text(
        "groups: {a: {width: 3, kind: real, attackable: false}, b: {width: 4, kind: count}}"
    )
    return read_layout(path)


@pytest.fixture
def frame(layout):
    rng = np.random.default_rng(0)
    X = rng.integers(1, 1000, size=(ROWS, layout.width)).astype(np.float32)
    X[:, :3] += rng.random((ROWS, 3), dtype=np.float32)
    table = pd.DataFrame(X, columns=list(layout.names))
    table["label"], table["sha256"] = LABELS, IDS
    return table


def features(frame, layout):
    return frame[list(layout.names)].to_numpy(np.float32)


def shuffled(frame):
    return frame[list(np.random.default_rng(1).permutation(list(frame.columns)))]


def write_csv(frame, layout, path):
    shuffled(frame).to_csv(path, index=False)


def write_semicolons(frame, layout, path):
    text = "\ufeff" + shuffled(frame).to_csv(index=False, sep=";", lineterminator="\r\n")
    path.write_bytes(gzip.compress(text.encode()))


def write_utf16(frame, layout, path):
    path.write_text(shuffled(frame).to_csv(index=False, sep="\t"), encoding="utf-16")


def write_parquet(frame, layout, path):
    table = pa.Table.from_pandas(shuffled(frame), preserve_index=False)
    pa.parquet.write_table(table, path, row_group_size=7)


def write_feather(frame, layout, path):
    table = pa.Table.from_pandas(shuffled(frame), preserve_index=False)
    pyarrow.feather.write_feather(table, path, chunksize=11)


def write_npz(frame, layout, path):
    names = np.array(layout.names)
    np.savez(path, X=features(frame, layout), y=LABELS, sha256=np.array(IDS), columns=names)


def write_packed_npz(frame, layout, path):
    X = np.asfortranarray(features(frame, layout))
    np.savez_compressed(path, X=X, y=LABELS.astype(bool), sha256=np.array(IDS, dtype="S64"))


def write_npy(frame, layout, path):
    np.save(path, features(frame, layout).astype(np.float64))
    np.save(path.with_name("y_train.npy"), LABELS.astype(np.float32))


def write_hdf5(frame, layout, path):
    with h5py.File(path, "w") as file:
        file["feed/X"] = features(frame, layout)
        file["feed/label"] = LABELS
        file["feed/sha256"] = IDS
        file["feed/columns"] = list(layout.names)


WRITERS = {
    "rows.csv": write_csv,
    "rows.csv.gz": write_semicolons,
    "rows.tsv": write_utf16,
    "rows.parquet": write_parquet,
    "rows.feather": write_feather,
    "rows.npz": write_npz,
    "packed.npz": write_packed_npz,
    "X_train.npy": write_npy,
    "rows.h5": write_hdf5,
}


# Where `write_hdf5` puts what stands beside the matrix.
NESTED = {"label": "feed/label", "sample_id": "feed/sha256"}


def sampled(path, layout, **said):
    release = OwnRows(path, layout, **said)
    index, report = build_index(release)
    split = draw_sample(index, 40, 0.25, 5, seed=3)
    return index, report, split, vectorise_split(release, index, split, dataset="own")


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_of_table_gives_the_same_vectors(tmp_path, frame, layout, name):
    path = tmp_path / name
    WRITERS[name](frame, layout, path)
    said = NESTED if name == "rows.h5" else {}
    index, report, split, vectors = sampled(path, layout, **said)
    assert (len(index), report["rows"]["malware"], index.version) == (ROWS, ROWS // 2, 0)
    assert index.sha256(range(ROWS)) == ([""] * ROWS if name == "X_train.npy" else IDS)
    assert (index.line - 1).tolist() == list(range(ROWS))
    np.testing.assert_array_equal(vectors.X, features(frame, layout)[split.positions])
    np.testing.assert_array_equal(vectors.y, LABELS[split.positions])
    assert vectors.layout == layout


def test_a_folder_of_tables_is_read_file_after_file(tmp_path, frame, layout):
    folder = tmp_path / "feed"
    folder.mkdir()
    for part in range(3):
        rows = frame.iloc[part * 20 : part * 20 + 20]
        write_parquet(rows, layout, folder / f"part-{part}.parquet")
    index, _, split, vectors = sampled(folder, layout)
    assert index.files == ("part-0.parquet", "part-1.parquet", "part-2.parquet")
    assert index.sha256(range(ROWS)) == IDS
    np.testing.assert_array_equal(vectors.X, features(frame, layout)[split.positions])


def test_a_large_row_group_is_read_by_columns_and_gives_the_same(
    tmp_path, frame, layout, monkeypatch
):
    path = tmp_path / "rows.parquet"
    pa.parquet.write_table(pa.Table.from_pandas(shuffled(frame), preserve_index=False), path)
    monkeypatch.setattr("dokunuki.corpus.arrow_tables._LARGE_GROUP_BYTES", 0)
    monkeypatch.setattr("dokunuki.corpus.arrow_tables._SLAB", 3)
    monkeypatch.setattr("dokunuki.corpus.arrow_tables.block_rows", lambda width: 7)
    index, _, split, vectors = sampled(path, layout)
    assert index.sha256(range(ROWS)) == IDS
    np.testing.assert_array_equal(vectors.X, features(frame, layout)[split.positions])


@pytest.mark.parametrize(
    ("texts", "label"),
    [
        (("0", "0.0", "False", "goodware", " Benign "), 0),
        (("1", "1.0", "TRUE", "malware", "malicious"), 1),
        (("-1", "", "unlabelled"), -1),
    ],
)
def test_labels_in_words(tmp_path, frame, layout, texts, label):
    frame["label"] = [*texts, *["benign"] * (ROWS - len(texts))]
    write_csv(frame, layout, tmp_path / "rows.csv")
    index, _ = build_index(OwnRows(tmp_path / "rows.csv", layout))
    assert index.label[: len(texts)].tolist() == [label] * len(texts)


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet"])
def test_an_empty_label_is_none(tmp_path, frame, layout, name):
    frame["label"] = [None, *["malware"] * (ROWS - 1)]
    WRITERS[name](frame, layout, tmp_path / name)
    index, _ = build_index(OwnRows(tmp_path / name, layout))
    assert index.label[:2].tolist() == [-1, 1]


def test_labels_may_stand_in_a_file_of_text(tmp_path, frame, layout):
    write_csv(frame.drop(columns="label"), layout, tmp_path / "rows.csv")
    (tmp_path / "truth.txt").write_text("class\n" + "\n".join(map(str, LABELS)))
    index, _ = build_index(OwnRows(tmp_path / "rows.csv", layout, label="truth.txt"))
    assert index.label.tolist() == LABELS.tolist()


def test_other_ids_are_told_apart_and_the_same_one_is_a_duplicate(tmp_path, frame, layout):
    frame["md5"] = ["a" * 32, "a" * 32, *(f"{row:032x}" for row in range(2, ROWS))]
    write_csv(frame.drop(columns="sha256"), layout, tmp_path / "rows.csv")
    index, report = build_index(OwnRows(tmp_path / "rows.csv", layout, sample_id="md5"))
    assert (len(index), report["duplicates"]["count"]) == (ROWS - 1, 1)
    assert index.sha256([0]) == [hashlib.sha256(b"a" * 32).hexdigest()]


def test_an_id_of_digits_and_blanks_is_no_sha256(tmp_path, frame, layout):
    odd = f"{'ab' * 15}  {'cd' * 16}"  # 64 characters, whose digits are those of 31 bytes
    frame.loc[1, "sha256"] = odd
    write_csv(frame, layout, tmp_path / "rows.csv")
    index, _ = build_index(OwnRows(tmp_path / "rows.csv", layout))
    ids = [IDS[0], hashlib.sha256(odd.encode()).hexdigest(), *IDS[2:]]
    assert index.sha256(range(ROWS)) == ids


@pytest.mark.parametrize("name", WRITERS)
def test_the_tables_own_ids_can_be_asked_for_in_any_order(tmp_path, frame, layout, name):
    path = tmp_path / name
    WRITERS[name](frame, layout, path)
    release = OwnRows(path, layout, **(NESTED if name == "rows.h5" else {}))
    index, _ = build_index(release)
    asked = [40, 3, 59]
    # A .npy file is a matrix, and has no room for ids.
    told = ["" if name == "X_train.npy" else IDS[row] for row in asked]
    assert release.sample_ids(index.locations(asked)) == told


def test_ids_of_rows_that_are_gone_are_not_made_up(tmp_path, frame, layout):
    path = tmp_path / "rows.parquet"
    frame.to_parquet(path)
    release = OwnRows(path, layout)
    index, _ = build_index(release)
    frame[: ROWS // 2].to_parquet(path)
    with pytest.raises(CorpusError, match=r"rows.parquet: row 60 has changed"):
        OwnRows(path, layout).sample_ids(index.locations([ROWS - 1]))


def test_columns_of_other_names_are_taken_by_position(tmp_path, frame, layout):
    renamed = frame.rename(columns={name: f"f{n}" for n, name in enumerate(layout.names)})
    renamed[["sha256", *renamed.columns.drop("sha256")]].to_csv(tmp_path / "a.csv", index=False)
    _, _, split, vectors = sampled(tmp_path / "a.csv", layout)
    np.testing.assert_array_equal(vectors.X, features(frame, layout)[split.positions])


def changed(column, row, value):
    def change(frame):
        frame[column] = frame[column].astype(object)
        frame.loc[row, column] = value
        return frame

    return change


def emptied(frame):
    numbers = [name for name in frame.columns if "_" in name]
    frame.loc[7, numbers] = 0
    return frame


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (changed("b_1", 4, None), "row 5: b_1 is empty or not a number"),
        (changed("b_1", 4, 1e39), "row 5: b_1 is infinite, or beyond what float32 holds"),
        (changed("b_1", 4, "inf"), "row 5: b_1 is infinite"),
        (changed("b_1", 4, "many"), "column 'b_1' holds string"),
        (changed("label", 4, "maybe"), "row 5: label is 'maybe'; a label is 0"),
        (lambda f: f.drop(columns=["b_1", "b_2"]), "2 of the 7 columns of layout .*: b_1, b_2;"),
        (lambda f: f.drop(columns="label"), "no labels: there is no column called label"),
        (lambda f: f.rename(columns=lambda n: f"x{n}"), "no labels"),
        (lambda f: f.rename(columns={"b_1": "b_2"}), "the column 'b_2' appears twice"),
        (
            lambda f: f.rename(columns=lambda n: f"x{n}" if n[1] == "_" else n).assign(z=1),
            "has 8 columns beside label and id",
        ),
        (emptied, "row 8: all features are 0"),
        (lambda f: f.iloc[:0], "none of its 0 rows is usable"),
    ],
)
def test_a_fault_names_row_and_column(tmp_path, frame, layout, change, message):
    change(frame).to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(CorpusError, match=message) as caught:
        build_index(OwnRows(tmp_path / "rows.csv", layout))
    assert str(tmp_path / "rows.csv") in str(caught.value)


def test_bad_rows_can_be_left_out(tmp_path, frame, layout):
    changed("b_1", 4, None)(frame).to_csv(tmp_path / "rows.csv", index=False)
    index, report = build_index(OwnRows(tmp_path / "rows.csv", layout), bad_rows="skip")
    assert len(index) == ROWS - 1
    assert report["bad_rows"]["listed"][0]["line"] == 5


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"label": "truth"}, "has no column 'truth' for label; it has"),
        ({"sample_id": "hash"}, "has no column 'hash' for id"),
        ({"label": "truth.npy"}, "truth.npy: no such file"),
    ],
)
def test_a_column_that_is_named_and_not_there(tmp_path, frame, layout, said, message):
    write_csv(frame, layout, tmp_path / "rows.csv")
    with pytest.raises(CorpusError, match=message):
        list(OwnRows(tmp_path / "rows.csv", layout, **said).scan())


def test_text_for_a_feature_is_refused_in_a_typed_table(tmp_path, frame, layout):
    frame["b_1"] = frame["b_1"].astype(str)
    write_parquet(frame, layout, tmp_path / "rows.parquet")
    with pytest.raises(
        CorpusError, match=r"column 'b_1' holds .*string.*a feature must be a number"
    ):
        list(OwnRows(tmp_path / "rows.parquet", layout).scan())


@pytest.mark.parametrize("name", [name for name in WRITERS if name != "packed.npz"])
@pytest.mark.parametrize("left", [0, 0.5])
def test_a_cut_file_is_named(tmp_path, frame, layout, name, left):
    path = tmp_path / name
    WRITERS[name](frame, layout, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(left * len(content))])
    with pytest.raises(CorpusError, match=str(path)):
        build_index(OwnRows(path, layout))


def test_no_pickle_is_loaded(tmp_path, frame, layout):
    np.save(tmp_path / "X.npy", features(frame, layout).astype(object), allow_pickle=True)
    np.save(tmp_path / "y.npy", LABELS)
    with pytest.raises(CorpusError, match=r"X\.npy: cannot be read"):
        list(OwnRows(tmp_path / "X.npy", layout).scan())


def test_another_version_is_told_by_names_and_by_width(tmp_path):
    first, third = feature_layout(1), feature_layout(3)
    X = np.ones((4, third.width), np.float32)
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", np.arange(4) % 2)
    frame = pd.DataFrame(X, columns=list(third.names)).assign(label=0)
    write_parquet(frame, third, tmp_path / "rows.parquet")
    for name in ("X.npy", "rows.parquet"):
        with pytest.raises(CorpusError, match="are those of feature version 3; set version: 3"):
            list(OwnRows(tmp_path / name, first).scan())


def test_rows_that_changed_since_they_were_indexed_are_noticed(tmp_path, frame, layout):
    path = tmp_path / "rows.parquet"
    write_parquet(frame, layout, path)
    index, _, split, _ = sampled(path, layout)
    frame.loc[int(split.positions[0]), "b_0"] += 1
    write_parquet(frame, layout, path)
    with pytest.raises(CorpusError, match="has changed since the rows were indexed"):
        vectorise_split(OwnRows(path, layout), index, split, dataset="own")
    write_parquet(frame.iloc[:3], layout, path)
    with pytest.raises(CorpusError, match="has changed since the rows were indexed"):
        vectorise_split(OwnRows(path, layout), index, split, dataset="own")


def test_a_file_that_is_gone_since_the_index_is_named(tmp_path, frame, layout):
    folder = tmp_path / "feed"
    folder.mkdir()
    for part in range(2):
        write_csv(frame.iloc[part * 30 : part * 30 + 30], layout, folder / f"{part}.csv")
    index, _, split, _ = sampled(folder, layout)
    (folder / "1.csv").unlink()
    with pytest.raises(CorpusError, match=r"1\.csv: row \d+ has changed since the rows were"):
        vectorise_split(OwnRows(folder, layout), index, split, dataset="own")


def test_files_that_are_no_tables(tmp_path, frame, layout):
    (tmp_path / "rows.jsonl").write_text("{}")
    (tmp_path / "empty").mkdir()
    for name, message in (
        ("rows.jsonl", "not a table of rows"),
        ("none.csv", "no such file or folder"),
        ("empty", "the folder holds no table"),
    ):
        with pytest.raises(CorpusError, match=message):
            table_files(tmp_path / name)
    write_csv(frame, layout, tmp_path / "rows.csv")
    write_parquet(frame, layout, tmp_path / "rows.parquet")
    with pytest.raises(CorpusError, match="tables of several kinds"):
        table_files(tmp_path)
