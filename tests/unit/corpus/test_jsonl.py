from __future__ import annotations

import gc
import json

import pytest

from dokunuki.corpus.index import build_index
from dokunuki.corpus.jsonl import vectors_of_lines
from dokunuki.corpus.parsing import parse_row
from dokunuki.corpus.protocol import BadRow
from dokunuki.corpus.release import open_release
from dokunuki.errors import CorpusError


def scan(path, version=1):
    return list(open_release(path, version).scan())


def test_records_tell_where_rows_stand(write_folder, release_rows):
    folder = write_folder(release_rows)
    records = scan(folder)
    assert len(records) == 30
    for record in records:
        content = (folder / record.file).read_bytes()
        line = content[record.offset : record.offset + record.length]
        assert content.splitlines(keepends=True)[record.line - 1] == line
        row = json.loads(line)
        assert record.digest.hex() == row["sha256"]
        assert (record.label, record.appeared) == (row["label"], row["appeared"])
        assert record.avclass == ""


def test_avclass_is_kept(write_folder, make_row):
    folder = write_folder({"test_features.jsonl": [make_row() | {"avclass": "zbot"}]})
    assert scan(folder)[0].avclass == "zbot"


@pytest.mark.parametrize("layout", ["folder", "archive"])
@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"sha256": "ab",\n', "malformed JSON"),
        (b"\0\0\0\n", "the line holds 3 NUL bytes and no row"),
        (b'\xff{"sha256"}\n', "malformed JSON"),
        (b"[1, 2]\n", "a row is a JSON object"),
    ],
)
def test_a_malformed_line_is_named(
    write_folder, write_archive, release_rows, layout, line, message
):
    lines = [json.dumps(row).encode() + b"\n" for row in release_rows["train_features_1.jsonl"]]
    lines.insert(4, line)
    if layout == "folder":
        path = write_folder(release_rows)
        (path / "train_features_1.jsonl").write_bytes(b"".join(lines))
    else:
        path = write_archive({**release_rows, "train_features_1.jsonl": b"".join(lines)})
    rows = scan(path)
    bad = [row for row in rows if isinstance(row, BadRow)]
    assert len(rows) == 31
    assert [(row.file, row.line) for row in bad] == [("train_features_1.jsonl", 5)]
    assert str(bad[0].error).startswith(f"{path}/train_features_1.jsonl:5: ")
    assert message in str(bad[0].error)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_nan_in_the_json_is_named_by_its_key(make_row, text):
    line = json.dumps(make_row()).replace('"avlength": 8.5', f'"avlength": {text}').encode()
    with pytest.raises(CorpusError, match=r"x:1: strings\.avlength is -?(nan|inf)"):
        parse_row(line, 1, "x:1")


def test_an_empty_file(write_folder, write_archive, release_rows):
    release_rows["train_features_1.jsonl"] = []
    for path in (write_folder(release_rows), write_archive(release_rows)):
        with pytest.raises(CorpusError, match=r"train_features_1\.jsonl: the file is empty"):
            scan(path)


def test_a_truncated_file_names_the_line_of_the_cut(write_folder, release_rows):
    folder = write_folder(release_rows)
    file = folder / "test_features.jsonl"
    file.write_bytes(file.read_bytes()[:-500])
    with pytest.raises(CorpusError, match=r"test_features\.jsonl:10: .*it is truncated"):
        build_index(open_release(folder, 1))


def test_a_last_line_without_newline_is_sound(write_folder, release_rows):
    folder = write_folder(release_rows)
    file = folder / "test_features.jsonl"
    file.write_bytes(file.read_bytes()[:-1])
    assert len(scan(folder)) == 30


@pytest.mark.parametrize("share", [0.0, 0.0003, 0.2, 0.5, 0.9, 0.999])
def test_a_truncated_archive(write_archive, release_rows, share):
    path = write_archive(release_rows)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(CorpusError, match=r"empty, truncated or damaged .*fetch or copy it again"):
        scan(path)


def test_a_damaged_archive(write_archive, release_rows):
    path = write_archive(release_rows)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(CorpusError, match="empty, truncated or damaged"):
        scan(path)


def test_what_is_no_archive(tmp_path):
    path = tmp_path / "ember.tar.bz2"
    path.write_bytes(b"<html>404</html>")
    with pytest.raises(CorpusError, match="empty, truncated or damaged"):
        scan(path)


def test_an_archive_of_something_else(write_archive):
    path = write_archive({"readme.txt": b"hello"})
    with pytest.raises(CorpusError, match=r"holds no train_features_\*\.jsonl"):
        scan(path)


def test_the_wrong_feature_version_is_no_bad_row(write_folder, make_row):
    folder = write_folder({"test_features.jsonl": [make_row(version=2)]})
    with pytest.raises(CorpusError, match=r"test_features\.jsonl:1: .*set version: 2"):
        build_index(open_release(folder, 1), bad_rows="skip")


def test_one_row_of_another_version_is_a_bad_row(write_folder, make_row):
    rows = [make_row(0, version=2), make_row(1, version=1), make_row(2, version=2)]
    folder = write_folder({"test_features.jsonl": rows})
    index, report = build_index(open_release(folder, 2), bad_rows="skip")
    assert (len(index), report["bad_rows"]["count"]) == (2, 1)


@pytest.mark.parametrize("layout", ["folder", "archive"])
def test_rows_are_read_where_they_were_indexed(write_folder, write_archive, release_rows, layout):
    path = write_folder(release_rows) if layout == "folder" else write_archive(release_rows)
    release = open_release(path, 1)
    index, _ = build_index(release)
    positions = [29, 3, 11, 4, 0]
    read = dict(release.read(index.locations(positions)))
    assert list(dict(release.read(index.locations(positions)))) == [4, 1, 3, 2, 0]
    assert [read[k]["sha256"] for k in range(5)] == index.sha256(positions)


@pytest.mark.parametrize("layout", ["folder", "archive"])
@pytest.mark.parametrize("change", ["other rows", "fewer rows", "file gone"])
def test_a_release_changed_since_it_was_indexed(
    write_folder, write_archive, release_rows, layout, change
):
    write = write_folder if layout == "folder" else write_archive
    release = open_release(write(release_rows), 1)
    index, _ = build_index(release)
    file = "test_features.jsonl"
    if change == "other rows":
        release_rows[file] = release_rows[file][::-1]
    elif change == "fewer rows":
        release_rows[file] = release_rows[file][:2]
    else:
        del release_rows[file]
        if layout == "folder":
            (release.path / file).unlink()
    write(release_rows)
    message = "no such file" if (layout, change) == ("folder", "file gone") else "has changed since"
    with pytest.raises(CorpusError, match=message):
        list(release.read(index.locations([28])))


@pytest.mark.parametrize("enabled", [True, False])
def test_the_garbage_collector_waits_while_rows_are_made_and_no_longer(make_row, enabled):
    line = json.dumps(make_row()).encode()
    waited = []

    def vectorise(rows, version):
        waited.append(not gc.isenabled())
        if version == 2:
            raise CorpusError("no vectors")
        return rows

    was_enabled = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        assert vectors_of_lines([line], vectorise, 1) == [make_row()]
        with pytest.raises(CorpusError):
            vectors_of_lines([line], vectorise, 2)
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if was_enabled else gc.disable)()
    assert waited == [True, True]
