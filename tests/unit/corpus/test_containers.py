"""One release in every form that it is kept in: the same index and the same vectors from each."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import shutil
import tarfile
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from backports import zstd

from dokunuki.corpus.containers import Containers
from dokunuki.corpus.index import build_index
from dokunuki.corpus.naming import is_ember, is_weekly, is_weekly_zip, plain_name
from dokunuki.corpus.release import is_packed, open_release, release_files
from dokunuki.corpus.row_store import write_store
from dokunuki.corpus.sampling import draw_sample
from dokunuki.corpus.vectors import vectorise_split
from dokunuki.errors import CorpusError

COMPRESS = {
    "": lambda content: content,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstd.compress,
}
TRAIN = "train_features_0.jsonl"


def lines_of(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@pytest.fixture
def contents(release_rows):
    """The files of a release, as bytes by name."""
    return {name: lines_of(rows) for name, rows in release_rows.items()}


def tar_of(contents, folder="ember/"):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"{folder}{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def zip_of(contents, folder="ember/", method=zipfile.ZIP_DEFLATED):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in contents.items():
            archive.writestr(f"{folder}{name}", content)
    return packed.getvalue()


def in_folder(folder, contents):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


def sampled(path, **options):
    release = open_release(path, 1, **options)
    index, report = build_index(release)
    assert release.bytes_done == release.total_bytes > 0
    split = draw_sample(index, rows=12, test_share=1 / 3, validation_malware=2, seed=7)
    return index, report, split, vectorise_split(release, index, split, dataset="d")


def unpacked(path, store, file_types=None):
    containers = Containers(Path(path).expanduser(), release_files(path))
    write_store(store, containers, file_types)
    assert containers.bytes_done == containers.total_bytes > 0


def assert_same(path, expected, **options):
    """The same from the release itself and, where it is packed, from its store."""
    found = [sampled(path, **options)]
    if is_packed(path):
        with TemporaryDirectory() as folder:
            store = f"{folder}/rows.h5"
            unpacked(path, store, **options)
            found.append(sampled(path, store=store, **options))
            assert found[0][1] == found[1][1]  # the report
    for each in found:
        assert_equal(each, expected)


def assert_equal(found, expected):
    index, report, split, vectors = found
    for name in ("files", "digest", "label", "file", "line", "offset", "length", "checksum"):
        np.testing.assert_array_equal(getattr(index, name), getattr(expected[0], name), name)
    assert report["rows"] == expected[1]["rows"]
    assert report["files"] == expected[1]["files"]
    for name in ("positions", "sha256", "role", "file", "line"):
        np.testing.assert_array_equal(getattr(split, name), getattr(expected[2], name), name)
    assert vectors.X.tobytes() == expected[3].X.tobytes()


@pytest.fixture
def expected(write_folder, release_rows):
    return sampled(write_folder(release_rows, name="unpacked"))


@pytest.mark.parametrize("suffix", COMPRESS)
def test_tar_archives(tmp_path, contents, expected, suffix):
    path = tmp_path / f"ember.tar{suffix}"
    path.write_bytes(COMPRESS[suffix](tar_of({"ember_model.txt": b"tree", **contents})))
    assert is_packed(path)
    assert_same(path, expected)


@pytest.mark.parametrize("name", ["ember.tgz", "ember.tar.bz2", "download", "ember.zip"])
def test_content_tells_what_a_file_is_where_its_name_does_not(tmp_path, contents, expected, name):
    path = tmp_path / name
    path.write_bytes(lzma.compress(tar_of(contents)))
    assert_same(path, expected)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_zips(tmp_path, contents, expected, method):
    path = tmp_path / "ember.zip"
    path.write_bytes(zip_of(dict(reversed(contents.items())), method=method))
    assert_same(path, expected)


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
@pytest.mark.parametrize("container", ["folder", "tar", "zip"])
def test_compressed_files(tmp_path, contents, expected, suffix, container):
    # One of them plain, as a download that was unpacked in part.
    packed = {
        name if "test" in name else name + suffix: content
        if "test" in name
        else COMPRESS[suffix](content)
        for name, content in contents.items()
    }
    path = tmp_path / f"packed.{container}"
    if container == "folder":
        in_folder(path, packed)
    else:
        path.write_bytes(tar_of(packed) if container == "tar" else zip_of(packed))
    assert_same(path, expected)


def test_streams_in_several_members_and_frames(tmp_path, contents, expected):
    halves = {name: (content[:5000], content[5000:]) for name, content in contents.items()}
    empty_frame = b"\x50\x2a\x4d\x18\x04\x00\x00\x00meta"
    packed = {}
    for (name, parts), suffix in zip(halves.items(), (".gz", ".bz2", ".zst"), strict=True):
        members = b"".join(COMPRESS[suffix](part) for part in parts)
        packed[name + suffix] = (empty_frame if suffix == ".zst" else b"") + members
    assert_same(in_folder(tmp_path / "several", packed), expected)


def test_a_name_of_compression_on_a_plain_file(tmp_path, contents, expected):
    renamed = {f"{name}.gz": content for name, content in contents.items()}
    assert_same(in_folder(tmp_path / "plain", renamed), expected)
    assert not is_packed(tmp_path / "plain")


def test_a_plain_name_on_a_compressed_file(tmp_path, contents, expected):
    packed = {name: gzip.compress(content) for name, content in contents.items()}
    assert_same(in_folder(tmp_path / "renamed", packed), expected)


def test_a_compressed_file_in_a_compressed_archive(tmp_path, contents, expected):
    path = tmp_path / "twice.tar.gz.gz"
    path.write_bytes(gzip.compress(gzip.compress(tar_of(contents))))
    assert_same(path, expected)


def test_what_macos_and_windows_put_in(tmp_path, contents, expected):
    junk = {
        f"{folder}{stem}{name}": b"\x00\x05\x16\x07"
        for name in contents
        for folder, stem in (("__MACOSX/ember/", "._"), ("__MACOSX/ember/", ""), ("ember/", "._"))
    }
    members = {**junk, "ember/.DS_Store": b"x", "ember/Thumbs.db": b"x"}
    members |= {f"ember/{name}": content for name, content in contents.items()}
    for name, packed in (("mac.zip", zip_of(members, "")), ("mac.tar", tar_of(members, "./"))):
        (tmp_path / name).write_bytes(packed)
        assert_same(tmp_path / name, expected)
    backslashes = zip_of({f"ember\\{name}": content for name, content in contents.items()}, "")
    (tmp_path / "windows.zip").write_bytes(backslashes)
    assert_same(tmp_path / "windows.zip", expected)
    folder = in_folder(tmp_path / "mac", {**contents, ".DS_Store": b"x", f"._{TRAIN}": b"\0"})
    assert_same(folder, expected)


@pytest.mark.parametrize("folder", ["/ember/", "../../ember/", "C:/ember/"])
def test_paths_in_archives_lead_nowhere(tmp_path, contents, expected, folder):
    place = tmp_path / "deep" / "er"
    place.mkdir(parents=True)
    for name, packed in (("a.tar", tar_of(contents, folder)), ("a.zip", zip_of(contents, folder))):
        (place / name).write_bytes(packed)
        assert_same(place / name, expected)
    assert {path.name for path in place.iterdir()} == {"a.tar", "a.zip"}
    assert not (tmp_path / "ember").exists()


def test_a_home_folder(tmp_path, contents, expected, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    in_folder(tmp_path / "feeds" / "ember", contents)
    assert_same("~/feeds/ember", expected)


# --- single files


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("stem", ["feed.jsonl", "feed", TRAIN])
def test_a_single_file_is_a_feed_of_its_rows(tmp_path, contents, stem, suffix):
    rows = b"".join(contents.values())
    folder = in_folder(tmp_path / "whole", {TRAIN: rows})
    path = tmp_path / f"{stem}{suffix}"
    path.write_bytes(COMPRESS[suffix](rows))
    index, report, _, vectors = sampled(path)
    assert report["files"] == {stem: 30}
    assert vectors.X.tobytes() == sampled(folder)[3].X.tobytes()
    assert index.files == (stem,)
    assert release_files(path) == [path]


def test_a_file_of_a_release_stands_for_itself_alone(write_folder, release_rows):
    folder = write_folder(release_rows)
    _, report = build_index(open_release(folder / TRAIN, 1))
    assert report["files"] == {TRAIN: 10}
    assert report["layout"] == "file of JSON lines"


def test_one_map_stands_for_its_folder(write_maps, release_rows):
    maps = write_maps(release_rows)
    whole = build_index(open_release(maps, 1))[1]
    for name in ("X_train.dat", "y_test.dat"):
        assert release_files(maps / name) == release_files(maps)
        assert build_index(open_release(maps / name, 1))[1]["files"] == whole["files"]


def test_rows_of_ones_own_in_folders_and_archives(tmp_path, contents):
    own = {f"{number}-feed.jsonl": content for number, content in enumerate(contents.values())}
    expected = sampled(in_folder(tmp_path / "own", own))
    for name, packed in (("o.zip", zip_of(own)), ("o.tar.gz", gzip.compress(tar_of(own)))):
        (tmp_path / name).write_bytes(packed)
        assert_same(tmp_path / name, expected)
    # A release's own names come first, and the others are left out.
    for name, pack in (("b.zip", zip_of), ("b.tar", tar_of)):
        (tmp_path / name).write_bytes(pack({**own, TRAIN: contents[TRAIN]}))
        assert open_release(tmp_path / name, 1)
        assert build_index(open_release(tmp_path / name, 1))[1]["files"] == {TRAIN: 10}


# --- EMBER2024


WEEKS = ("2023-09-24_2023-09-30", "2023-10-01_2023-10-07")


@pytest.fixture
def weekly(make_row):
    """Files of EMBER2024's names by their zips, with rows of version 1."""
    rows = iter(range(1000))

    def lines():
        return lines_of([make_row(number, number % 2) for number in (next(rows) for _ in range(4))])

    return {
        f"{kind}_{part}": {f"{week}_{kind}_{part}.jsonl": lines() for week in WEEKS}
        for kind in ("Win32", "Dot_Net", "PDF")
        for part in ("train", "test")
    } | {"challenge": {f"{WEEKS[0]}_challenge_malicious.jsonl": lines()}}


@pytest.fixture
def zips(tmp_path, weekly):
    folder = tmp_path / "EMBER2024"
    return in_folder(folder, {f"{name}.zip": zip_of(files, "") for name, files in weekly.items()})


def test_zips_of_weeks_are_read_where_they_lie(tmp_path, weekly, zips):
    loose = {name: content for files in weekly.values() for name, content in files.items()}
    expected = sampled(in_folder(tmp_path / "loose", loose))
    assert len(expected[0]) == 32
    assert expected[1]["left_out"] == {"count": 20, "PDF": 16, "challenge": 4}
    assert_same(zips, expected)
    for number, name in enumerate(("one.zip", "one.tar.gz")):
        pack = (zip_of, tar_of)[number]
        (tmp_path / name).write_bytes(pack(loose))
        assert_same(tmp_path / name, expected)
    half = shutil.copytree(zips, tmp_path / "half")
    (half / "Win32_train.zip").unlink()
    in_folder(half, weekly["Win32_train"])
    assert_same(half, expected)


def test_types_are_chosen_in_zips_as_in_files(tmp_path, weekly, zips):
    loose = {name: content for files in weekly.values() for name, content in files.items()}
    expected = sampled(in_folder(tmp_path / "loose", loose), file_types=["PDF", "Win32"])
    assert len(expected[0]) == 32
    assert_same(zips, expected, file_types=["PDF", "Win32"])
    assert [file.name for file in release_files(zips)][:2] == ["Dot_Net_train.zip", "PDF_train.zip"]


def test_the_challenge_set_alone(zips):
    with pytest.raises(
        CorpusError,
        match=r"none of its 4 rows is usable; 4 are of types not in file_types \(challenge\)",
    ):
        build_index(open_release(zips / "challenge.zip", 1))


def test_what_names_tell():
    week = "2023-09-24_2023-09-30_Dot_Net_train.jsonl"
    for suffix in ("", ".gz", ".bz2", ".xz", ".zst", ".ZST"):
        assert plain_name(week + suffix) == week
        assert is_weekly(week + suffix)
        assert is_ember(f"test_features.jsonl{suffix}")
        assert not is_ember(f"x_test_features.jsonl{suffix}")
    assert is_weekly_zip("Dot_Net_test.zip")
    assert not is_weekly_zip("feed_test.zip")
    assert plain_name("caf\udce9.jsonl") == "caf\\udce9.jsonl"


# --- what cannot be read


def damaged(path, version=1):
    with pytest.raises(CorpusError) as caught:
        build_index(open_release(path, version))
    message = str(caught.value)
    assert str(path) in message
    if is_packed(path) and "file is empty" not in message:
        store = path.with_name("rows.h5")
        with pytest.raises(CorpusError) as again:
            unpacked(path, store)
        assert str(again.value) == message
        assert not store.exists()
    return message


@pytest.mark.parametrize("pack", ["tar", "tar.zst", "zip"])
def test_two_releases_in_one_archive(tmp_path, contents, make_row, pack):
    both = {f"ember/{name}": content for name, content in contents.items()}
    both |= {f"ember_2017_2/{TRAIN}": lines_of([make_row(50, version=2)])}
    path = tmp_path / f"both.{pack}"
    path.write_bytes(zip_of(both, "") if pack == "zip" else tar_of(both, ""))
    message = damaged(path)
    assert (
        f"{path}/ember/{TRAIN} and as {path}/ember_2017_2/{TRAIN}: two releases in one" in message
    )
    assert "unpack it and give the folder" in message
    if pack == "zip":  # at the start, before any row is read
        with pytest.raises(CorpusError, match="two releases"):
            next(open_release(path, 1).scan())


def test_a_file_that_was_added_to_an_archive_once_more(tmp_path, contents):
    path = tmp_path / "more.tar"
    path.write_bytes(tar_of(contents))
    with tarfile.open(path, "a") as archive:
        member = tarfile.TarInfo(f"ember/{TRAIN}")
        archive.addfile(member)
    assert "was added again" in damaged(path)


def test_a_week_in_two_zips_is_known_at_the_start(zips, weekly):
    (zips / "Win64_train.zip").write_bytes(zip_of(weekly["Win32_train"]))
    with pytest.raises(CorpusError, match=r"Win32_train\.jsonl twice, as .*two releases in one"):
        next(open_release(zips, 1).scan())


def test_a_file_beside_its_compressed_self(tmp_path, contents):
    folder = in_folder(tmp_path / "both", contents)
    (folder / f"{TRAIN}.gz").write_bytes(gzip.compress(contents[TRAIN]))
    with pytest.raises(CorpusError, match="remove one of the two"):
        release_files(folder)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6, 0.85])
@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".zip"])
def test_truncated_archives(tmp_path, contents, suffix, share):
    path = tmp_path / f"ember{suffix}"
    if suffix == ".zip":
        content = zip_of(contents)
    else:
        content = COMPRESS[suffix.removeprefix(".tar")](tar_of(contents))
    path.write_bytes(content[: int(share * len(content))])
    assert "empty, truncated or damaged" in damaged(path)


def test_a_tar_that_ends_between_two_files(tmp_path, contents):
    whole = tar_of(contents)
    with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
        cut = archive.getmembers()[2].offset
    (tmp_path / "cut.tar").write_bytes(whole[:cut])
    assert "truncated or damaged" in damaged(tmp_path / "cut.tar")
    # A header that is damaged is passed over by Python's reader.
    (tmp_path / "bad.tar").write_bytes(whole[:cut] + b"x" * 512 + whole[cut + 512 :])
    assert "truncated or damaged" in damaged(tmp_path / "bad.tar")


def test_two_archives_in_one_file(tmp_path, contents):
    (tmp_path / "two.tar").write_bytes(tar_of(contents) + tar_of({"readme": b"x" * 9999}))
    assert "holds two archives" in damaged(tmp_path / "two.tar")


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
@pytest.mark.parametrize("share", [0.3, 0.99])
def test_truncated_files(tmp_path, contents, suffix, share):
    path = tmp_path / f"{TRAIN}{suffix}"
    content = COMPRESS[suffix](contents[TRAIN])
    path.write_bytes(content[: int(share * len(content))])
    assert "empty, truncated or damaged" in damaged(path)


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".zip"])
def test_a_flipped_bit(tmp_path, contents, suffix):
    path = tmp_path / f"ember{suffix}"
    if suffix == ".zip":
        content = bytearray(zip_of(contents))
    elif suffix == ".tar.zst":
        options = {zstd.CompressionParameter.checksum_flag: 1}
        content = bytearray(zstd.compress(tar_of(contents), options=options))
    else:
        content = bytearray(COMPRESS[suffix.removeprefix(".tar")](tar_of(contents)))
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)
    assert "empty, truncated or damaged" in damaged(path)


def test_an_encrypted_zip(tmp_path, contents):
    path = tmp_path / "secret.zip"
    content = bytearray(zip_of({TRAIN: contents[TRAIN]}))
    # The flags of the local header and of the directory.
    content[6] |= 1
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    assert "is encrypted; unpack the zip with its password" in damaged(path)


def test_a_zip_with_a_method_that_python_does_not_know(tmp_path, contents):
    path = tmp_path / "explorer.zip"
    content = bytearray(zip_of({TRAIN: contents[TRAIN]}))
    content[8] = content[content.rindex(b"PK\x01\x02") + 10] = 9  # Deflate64
    path.write_bytes(content)
    assert "method 9, which is not read here; unpack the zip" in damaged(path)


def test_archives_in_archives(tmp_path, contents):
    inner = tar_of(contents)
    for name, packed in (
        ("outer.zip", zip_of({"ember.tar.bz2": bz2.compress(inner)})),
        ("outer.tar", tar_of({"ember.tar.bz2": bz2.compress(inner)})),
        ("named.tar", tar_of({TRAIN: inner})),
    ):
        (tmp_path / name).write_bytes(packed)
        assert "an archive inside another; unpack the outer one" in damaged(tmp_path / name)
    (tmp_path / "zip.gz").write_bytes(gzip.compress(zip_of(contents)))
    assert "an archive inside another" in damaged(tmp_path / "zip.gz")


def test_archives_without_rows(tmp_path):
    for name, packed in (
        ("empty.tar", tar_of({})),
        ("empty.zip", zip_of({})),
        ("empty.tar.gz", gzip.compress(tar_of({}))),
    ):
        (tmp_path / name).write_bytes(packed)
        assert "empty" in damaged(tmp_path / name)
    for name, pack in (("o.tar", tar_of), ("o.zip", zip_of)):
        (tmp_path / name).write_bytes(pack({"readme.txt": b"hello"}))
        assert "no other *.jsonl, but ember/readme.txt" in damaged(tmp_path / name)
        (tmp_path / name).write_bytes(pack({TRAIN: b""}))
        assert f"{TRAIN}: the file is empty" in damaged(tmp_path / name)


def test_links_in_an_archive(tmp_path):
    with tarfile.open(tmp_path / "links.tar", "w") as archive:
        member = tarfile.TarInfo(f"ember/{TRAIN}")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(member)
    assert "a link to /etc/passwd, not a file; make the archive again" in damaged(
        tmp_path / "links.tar"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<!DOCTYPE html><title>404</title>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(99), "7-Zip"),
        (b"Rar!\x1a\x07" + bytes(99), "RAR"),
        ('{"sha256": ""}\n'.encode("utf-16"), "iconv -f UTF-16"),
        (bytes(4096), "nothing but zeros"),
    ],
)
@pytest.mark.parametrize("name", ["ember.tar.bz2", "ember.zip", TRAIN, f"{TRAIN}.gz"])
def test_other_things_by_the_right_name(tmp_path, content, message, name):
    (tmp_path / name).write_bytes(content)
    assert message in damaged(tmp_path / name)


def test_links_and_folders_among_the_files(tmp_path, contents):
    folder = in_folder(tmp_path / "ember", contents)
    (folder / "train_features_7.jsonl").symlink_to(tmp_path / "gone")
    with pytest.raises(
        CorpusError, match=r"train_features_7\.jsonl: is a link to a file that is no"
    ):
        release_files(folder)
    (folder / "train_features_7.jsonl").unlink()
    (folder / "train_features_7.jsonl").mkdir()
    with pytest.raises(CorpusError, match=r"train_features_7\.jsonl: is not a file"):
        release_files(folder)


def test_a_checksum_beside_an_archive(tmp_path, contents):
    path = tmp_path / "ember.tar"
    path.write_bytes(tar_of(contents))
    path.with_name("ember.tar.sha256").write_text("0" * 64 + "  ember.tar\n")
    with pytest.raises(Exception, match="its checksum is not the one"):
        build_index(open_release(path, 1))
