"""A packed release is read once: what a store keeps of it, its damage, and the memory it takes."""

from __future__ import annotations

import bz2
import io
import json
import tarfile
import tracemalloc

import numpy as np
import pytest

from dokunuki.corpus import row_store
from dokunuki.corpus.containers import Containers
from dokunuki.corpus.index import build_index
from dokunuki.corpus.release import open_release
from dokunuki.corpus.row_store import open_store, write_store
from dokunuki.corpus.vectoriser import vectorise
from dokunuki.errors import CorpusError, DataFileError, DiskFullError


@pytest.fixture
def packed(write_archive, release_rows):
    return write_archive(release_rows)


def write(path, tmp_path):
    store = tmp_path / "rows.h5"
    write_store(store, Containers(path, [path]))
    return store


def test_bytes_are_read_from_any_place(tmp_path, packed, write_folder, release_rows, monkeypatch):
    # Rows are longer than such blocks, and files are no multiple of them.
    monkeypatch.setattr(row_store, "_BLOCK_BYTES", 1000)
    folder = write_folder(release_rows)
    with open_store(write(packed, tmp_path)) as store:
        assert set(store.files) == set(release_rows)
        rng = np.random.default_rng(3)
        for name in store.files:
            content = (folder / name).read_bytes()
            assert store.size[name] == len(content)
            assert store.stream(name).read() == content
            for start in rng.integers(0, len(content), 50).tolist():
                length = int(rng.integers(0, 5000))
                assert store.read(name, start, length) == content[start : start + length]
        assert store.read("gone.jsonl", 0, 10) == b""


def test_the_archive_is_not_opened_again(tmp_path, packed):
    expected = build_index(open_release(packed, 1))
    places = expected[0].locations(range(30))
    rows = {
        p: x
        for ps, xs in open_release(packed, 1).vectors(places, vectorise)
        for p, x in zip(ps, xs, strict=True)
    }
    store = write(packed, tmp_path)
    packed.unlink()
    release = open_release(packed, 1, store=store)
    index, report = build_index(release)
    assert report == expected[1]
    assert release.bytes_done == release.total_bytes
    for positions, batch in release.vectors(index.locations(range(30)), vectorise):
        for position, row in zip(positions, batch, strict=True):
            assert row.tobytes() == rows[position].tobytes()


def test_messages_name_the_archive_and_not_the_store(tmp_path, write_archive, release_rows):
    lines = [json.dumps(row).encode() + b"\n" for row in release_rows["train_features_1.jsonl"]]
    lines[6] = b"{\n"
    path = write_archive({**release_rows, "train_features_1.jsonl": b"".join(lines)})
    release = open_release(path, 1, store=write(path, tmp_path))
    with pytest.raises(CorpusError) as caught:
        build_index(release)
    assert str(caught.value).startswith(f"{path}/train_features_1.jsonl:7: malformed JSON")


def test_names_that_are_no_text(tmp_path, packed):
    odd = packed.rename(tmp_path / "caf\udce9.tar.bz2")
    store = write(odd, tmp_path)
    assert len(build_index(open_release(odd, 1, store=store))[0]) == 30
    with open_store(store) as kept:
        assert "caf\\udce9.tar.bz2/test_features.jsonl" in kept.where["test_features.jsonl"]


def test_a_store_of_another_release(tmp_path, packed, write_archive, release_rows):
    index, _ = build_index(open_release(packed, 1))
    for rows in (
        release_rows["test_features.jsonl"][::-1],
        release_rows["test_features.jsonl"][:2],
    ):
        other = write_archive({**release_rows, "test_features.jsonl": rows}, "other.tar.bz2")
        release = open_release(other, 1, store=write(other, tmp_path))
        with pytest.raises(CorpusError, match="has changed since"):
            list(release.read(index.locations([28])))


def test_a_damaged_store(tmp_path, packed):
    store = write(packed, tmp_path)
    content = bytearray(store.read_bytes())
    content[len(content) // 2] ^= 1
    store.write_bytes(content)
    with pytest.raises(DataFileError, match=r"rows\.h5: damaged.*delete .*rows\.h5 and run"):
        open_release(packed, 1, store=store)
    store.unlink()
    with pytest.raises(DataFileError, match=r"rows\.h5: no such file"):
        open_release(packed, 1, store=store)


def test_a_store_of_other_types(tmp_path, packed):
    store = tmp_path / "rows.h5"
    write_store(store, Containers(packed, [packed]), ["Win32"])
    with pytest.raises(DataFileError, match="was made for other file_types"):
        build_index(open_release(packed, 1, ["Win64"], store))


def test_of_types_that_are_not_asked_for_only_the_number_is_kept(tmp_path, make_row, write_archive):
    name = "2023-09-24_2023-09-30_{}_train.jsonl"
    rows = {name.format(kind): [make_row(n, n % 2) for n in range(7)] for kind in ("Win32", "PDF")}
    path = write_archive(rows)
    store = write(path, tmp_path)
    with open_store(store) as kept:
        assert kept.size[name.format("PDF")] == 0
        assert kept.size[name.format("Win32")] > 0
    assert build_index(open_release(path, 1, store=store))[1]["left_out"] == {"count": 7, "PDF": 7}


def test_a_full_disk_is_told_before_the_archive_is_read_to_its_end(tmp_path, make_row, mount_disk):
    path = tmp_path / "many.tar.bz2"
    many_rows(path, make_row, 3000)
    containers = Containers(path, [path])
    store = mount_disk("200k") / "rows.h5"
    with pytest.raises(DiskFullError, match=r"rows\.h5: no space left"):
        write_store(store, containers)
    assert containers.bytes_done < 0.9 * containers.total_bytes
    assert not list(store.parent.iterdir())


def many_rows(path, make_row, number):
    """An archive of one file with so many rows, which is never held whole."""
    # Varied, so that it does not shrink to nothing.
    rng = np.random.default_rng(1)
    row = make_row()
    lines = []
    for n in range(number):
        row["sha256"] = f"{n:064x}"
        row["histogram"] = rng.integers(1, 10_000, 256).tolist()
        lines.append(json.dumps(row).encode() + b"\n")
    content = b"".join(lines)
    with bz2.open(path, "wb") as plain, tarfile.open(fileobj=plain, mode="w|") as archive:
        member = tarfile.TarInfo("ember/train_features_0.jsonl")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return len(content)


def peak_of(function, *arguments):
    tracemalloc.start()
    try:
        function(*arguments)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_rows(tmp_path, make_row):
    def peaks(number):
        path = tmp_path / f"{number}.tar.bz2"
        size = many_rows(path, make_row, number)
        yield peak_of(write, path, tmp_path)
        release = open_release(path, 1, store=tmp_path / "rows.h5")
        places = build_index(release)[0].locations(range(0, number, number // 100))
        yield peak_of(lambda: [None for _ in release.scan()])
        yield peak_of(lambda: [None for _ in release.vectors(places, vectorise)])
        yield size

    *few, few_bytes = peaks(800)
    *many, many_bytes = peaks(2400)
    assert many_bytes - few_bytes > 4_000_000
    for less, more in zip(few, many, strict=True):
        assert more < 1.1 * less + 200_000
