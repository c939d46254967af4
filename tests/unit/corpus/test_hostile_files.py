"""Files that somebody made to do harm: bombs, paths and links out of the folder, lying headers."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import os
import struct
import tarfile
import tracemalloc
import zipfile

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.feather
import pytest

from dokunuki.corpus import jsonl
from dokunuki.corpus.index import build_index
from dokunuki.corpus.own_layout import read_layout
from dokunuki.corpus.own_rows import OwnRows
from dokunuki.corpus.protocol import BadRow
from dokunuki.corpus.release import open_release
from dokunuki.errors import CorpusError, DataFileError
from dokunuki.storage.seals import UNSEALED, seal
from dokunuki.storage.tensors import read_tensors

TRAIN = "train_features_0.jsonl"
BOMB = 512 << 20


def peak_of(function):
    """What it raised, and the memory of Python and numpy that it took at most."""
    tracemalloc.start()
    try:
        with pytest.raises(CorpusError) as refusal:
            function()
        return str(refusal.value), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def endless(compress):
    """A line of half a gigabyte, as a compressed stream of a few hundred KB."""
    block = b" " * (1 << 20)
    packed = compress()
    parts = [packed.compress(b'{"a":' + block[5:])]
    parts += [packed.compress(block) for _ in range(BOMB >> 20)]
    return b"".join([*parts, packed.flush()])


def zipped_bomb(path):
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(TRAIN, "w") as out,
    ):
        out.write(b'{"a":')
        for _ in range(BOMB >> 20):
            out.write(b" " * (1 << 20))


@pytest.mark.parametrize("kind", ["bz2", "tar.bz2", "zip"])
def test_a_bomb_is_refused_before_it_is_held(tmp_path, kind):
    path = tmp_path / f"{TRAIN}.{kind}"
    if kind == "zip":
        zipped_bomb(path)
    elif kind == "bz2":
        path.write_bytes(endless(bz2.BZ2Compressor))
    else:
        size = BOMB + (1 << 20)
        member = tarfile.TarInfo(TRAIN)
        member.size = size
        packed = bz2.BZ2Compressor()
        header = packed.compress(member.tobuf())
        parts = [packed.compress(b'{"a":' + b" " * ((1 << 20) - 5))]
        parts += [packed.compress(b" " * (1 << 20)) for _ in range(BOMB >> 20)]
        path.write_bytes(b"".join([header, *parts, packed.compress(bytes(1024)), packed.flush()]))
    assert path.stat().st_size < 1 << 20
    message, peak = peak_of(lambda: list(open_release(path, 1).scan()))
    assert TRAIN in message
    assert ":1: the line is longer than 64 MiB" in message
    assert peak < 4 * jsonl._LONGEST_LINE


def test_bombs_in_bombs_are_not_taken_apart_without_end(tmp_path):
    content = gzip.compress(gzip.compress(gzip.compress(gzip.compress(b"{}\n"))))
    (tmp_path / f"{TRAIN}.gz").write_bytes(content)
    found = list(open_release(tmp_path / f"{TRAIN}.gz", 1).scan())
    assert {type(each) for each in found} == {BadRow}


def archive_of(path, member, content=b""):
    with tarfile.open(path, "w") as archive:
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
@pytest.mark.parametrize("target", ["/etc/passwd", "../../secret.jsonl"])
def test_links_in_an_archive_are_refused(tmp_path, kind, target):
    (tmp_path / "secret.jsonl").write_text("{}\n")
    member = tarfile.TarInfo(f"ember/{TRAIN}")
    member.type, member.linkname = kind, target
    archive_of(tmp_path / "ember.tar", member)
    with pytest.raises(CorpusError, match="is a link to"):
        list(open_release(tmp_path / "ember.tar", 1).scan())


def test_nothing_is_written_where_an_archive_says(tmp_path, make_row):
    inside = tmp_path / "inside"
    inside.mkdir()
    row = json.dumps(make_row()).encode() + b"\n"
    archive_of(inside / "ember.tar", tarfile.TarInfo(f"../../{TRAIN}"), row)
    before = set(tmp_path.rglob("*"))
    index, _ = build_index(open_release(inside / "ember.tar", 1))
    assert len(index) == 1
    assert set(tmp_path.rglob("*")) == before


# Tables.


@pytest.fixture
def layout(tmp_path):
    path = tmp_path / "layout.yaml"
    path.write_text("groups: {a: {width: 3, kind: count}}")
    return read_layout(path)


def scanned(path, layout):
    return list(OwnRows(path, layout).scan())


X, Y = np.ones((4, 3), dtype=np.float32), np.array([0, 1, 0, 1])


def external_link(file, secret):
    file["X"] = h5py.ExternalLink(secret, "X")


def external_storage(file, secret):
    file.create_dataset("X", X.shape, "f4", external=[(secret, 0, X.nbytes)])


def virtual(file, secret):
    layout = h5py.VirtualLayout(shape=X.shape, dtype="f4")
    layout[:] = h5py.VirtualSource(secret, "X", shape=X.shape)
    file.create_virtual_dataset("X", layout)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (external_link, "which of them are the rows"),
        (external_storage, "X keeps its values in other files"),
        (virtual, "X keeps its values in other files"),
    ],
)
def test_hdf5_reads_no_other_file(tmp_path, layout, make, message):
    secret = tmp_path / "secret.bin"
    with h5py.File(secret, "w") as file:
        file["X"] = X
    folder = tmp_path / "feed"
    folder.mkdir()
    with h5py.File(folder / "rows.h5", "w") as file:
        file["y"] = Y
        make(file, str(secret))
    with pytest.raises(CorpusError, match=message):
        scanned(folder / "rows.h5", layout)


def npy(shape, values):
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        content, {"descr": "<f4", "fortran_order": False, "shape": shape}
    )
    return content.getvalue() + values.tobytes()


@pytest.mark.parametrize("name", ["X", "y"])
def test_an_npz_whose_header_lies_takes_no_memory(tmp_path, layout, name):
    arrays = {"X": npy(X.shape, X), "y": npy(Y.shape, Y.astype("f4"))}
    arrays[name] = npy((1 << 40, 3) if name == "X" else (1 << 40,), X)
    with zipfile.ZipFile(tmp_path / "rows.npz", "w") as archive:
        for each, content in arrays.items():
            archive.writestr(f"{each}.npy", content)
    message, peak = peak_of(lambda: scanned(tmp_path / "rows.npz", layout))
    assert f"{name}.npy is not as long as its header says" in message
    assert peak < 4 << 20


def test_an_npy_whose_header_lies_is_refused(tmp_path, layout):
    (tmp_path / "X_train.npy").write_bytes(npy((1 << 40, 3), X))
    with pytest.raises(CorpusError, match="cannot be read"):
        scanned(tmp_path / "X_train.npy", layout)


def test_an_array_of_objects_runs_nothing(tmp_path, layout):
    class Runs:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'ran'}",)

    np.save(tmp_path / "X_train.npy", np.array([[Runs()] * 3], dtype=object), allow_pickle=True)
    with pytest.raises(CorpusError, match="cannot be read"):
        scanned(tmp_path / "X_train.npy", layout)
    assert not (tmp_path / "ran").exists()


def test_texts_of_a_feather_file_that_lie_about_their_lengths(tmp_path, layout):
    ids = [f"{number:064x}" for number in range(4)]
    columns = dict(zip(layout.names, X.T, strict=True)) | {"label": Y, "sha256": ids}
    path = tmp_path / "rows.feather"
    pyarrow.feather.write_feather(pa.table(columns), path, compression="uncompressed")
    assert len(scanned(path, layout)) == 4
    offsets = struct.pack("<5i", 0, 64, 128, 192, 256)
    content = path.read_bytes()
    assert content.count(offsets) == 1
    path.write_bytes(content.replace(offsets, struct.pack("<5i", 0, 1 << 30, -5, 192, 256)))
    with pytest.raises(CorpusError, match="cannot be read"):
        scanned(path, layout)


# Tensors.


@pytest.mark.parametrize(
    "header",
    [
        {"w": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 4 << 40]}},
        {"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 1 << 62]}},
        {"w": {"dtype": "F32", "shape": [4], "data_offsets": [16, 0]}},
        {"w": {"dtype": "F32", "shape": [1 << 62, 1 << 62], "data_offsets": [0, 16]}},
        {
            "w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]},
            "v": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]},
        },
    ],
    ids=["longer", "far", "backwards", "overflow", "twice"],
)
def test_safetensors_whose_header_lies(tmp_path, header):
    text = json.dumps({"__metadata__": {"settings": f"{UNSEALED} {{}}"}, **header}).encode()
    path = tmp_path / "part.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(16))
    seal(path)
    with pytest.raises(DataFileError, match="not written by this version"):
        read_tensors(path)


def test_safetensors_whose_header_is_longer_than_the_file(tmp_path):
    text = json.dumps({"__metadata__": {"settings": f"{UNSEALED} {{}}"}}).encode()
    path = tmp_path / "part.safetensors"
    path.write_bytes(struct.pack("<Q", 1 << 60) + text)
    seal(path)
    with pytest.raises(DataFileError, match="not written by this version"):
        read_tensors(path)
