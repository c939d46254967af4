from __future__ import annotations

import subprocess

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from dokunuki.errors import DataFileError, DiskFullError, DokunukiError
from dokunuki.figures.style import save_figure
from dokunuki.storage.arrays import write_arrays
from dokunuki.storage.files import (
    atomic_folder,
    atomic_write,
    read_json,
    sha256_of,
    verify_checksum,
    write_json,
)
from dokunuki.storage.seals import UNSEALED, seal
from dokunuki.storage.tensors import write_tensors
from simember.generator import SimulatedSpec, write_corpus


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "result.json"
    write_json(path, {"rows": 1})
    with pytest.raises(ValueError, match="Out of range"):
        write_json(path, {"rows": float("nan")})
    assert read_json(path) == {"rows": 1}

    def fail() -> None:
        with atomic_write(path) as temporary:
            temporary.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert read_json(path) == {"rows": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_writer_left_is_swept_by_the_next(tmp_path):
    left = tmp_path / ".result.partial-1.json"
    other = tmp_path / ".results.partial-1.json"
    folder = tmp_path / ".model.partial-1"
    for path in (left, other, folder / "mark"):
        path.parent.mkdir(exist_ok=True)
        path.write_text("half")
    write_json(tmp_path / "result.json", {})
    with atomic_folder(tmp_path / "model", "mark") as temporary:
        (temporary / "mark").write_text("whole")
    assert {path.name for path in tmp_path.iterdir()} == {"result.json", other.name, "model"}


def test_folder_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "model"

    def fail_halfway():
        with atomic_folder(path, "mark") as temporary:
            (temporary / "mark").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()
    assert not list(tmp_path.iterdir())
    for content in ("first", "second"):
        with atomic_folder(path, "mark") as temporary:
            (temporary / "mark").write_text(content)
        assert (path / "mark").read_text() == content
    with pytest.raises(RuntimeError):
        fail_halfway()
    assert (path / "mark").read_text() == "second"
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_a_folder_of_other_things_is_not_replaced(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    with (
        pytest.raises(DokunukiError, match="thesis: already exists"),
        atomic_folder(tmp_path / "thesis", "mark"),
    ):
        pass
    assert (tmp_path / "thesis" / "chapter.txt").exists()


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "made").mkdir()  # Snakemake makes the folders of its outputs
    with atomic_folder(tmp_path / "made", "mark") as temporary:
        (temporary / "mark").write_text("x")
    assert (tmp_path / "made" / "mark").exists()


def test_a_checksum_lies_beside_its_file_as_sha256sum_writes_it(tmp_path):
    path = tmp_path / "table.csv"
    with atomic_write(path, checksum=True) as temporary:
        temporary.write_text("a,b\n1,2\n")
    subprocess.run(["sha256sum", "--check", "table.csv.sha256"], cwd=tmp_path, check=True)
    verify_checksum(path)
    path.write_text("a,b\n1,3\n")
    advice = f"rebuild it: delete {path} and run the same command again"
    with pytest.raises(DataFileError, match=r"csv: damaged.*in table\.csv\.sha256") as caught:
        verify_checksum(path)
    assert advice in str(caught.value)
    path.unlink()
    with pytest.raises(DataFileError, match=r"table\.csv: no such file"):
        verify_checksum(path)


def test_a_file_without_checksum_is_not_refused(tmp_path):
    (tmp_path / "own.csv").write_text("a\n1\n")
    verify_checksum(tmp_path / "own.csv")


def test_json_is_refused_when_it_was_edited_or_has_no_checksum(tmp_path):
    path = tmp_path / "result.json"
    write_json(path, {"rows": [1, 2.5, "毒"], "of": {"b": 1, "a": None}})
    assert list(read_json(path)["of"]) == ["b", "a"]
    assert read_json(path)["rows"] == [1, 2.5, "毒"]
    for text in (path.read_text().replace("2.5", "2.4"), '{"rows": 1}', "[1]", "{", '{"a": NaN}'):
        path.write_text(text)
        with pytest.raises(DataFileError, match=r"result\.json: damaged,"):
            read_json(path)
    # Whoever seals what is no mapping is told too.
    path.write_text(f'["{UNSEALED}"]')
    seal(path)
    with pytest.raises(DataFileError, match=r"result\.json: not written by this version"):
        read_json(path)
    with pytest.raises(DataFileError, match="delete whole and run"):
        read_json(path, target="whole")
    with pytest.raises(DataFileError, match="no such file"):
        read_json(tmp_path / "none.json")


@pytest.fixture
def small_disk(mount_disk):
    return mount_disk("1m")


NOISE = np.random.default_rng(0).random(400_000)


def _write_text(path):
    with atomic_write(path, checksum=True) as temporary:
        temporary.write_text("x" * 2_000_000)


def _save_figure(path):
    figure = Figure()
    figure.add_subplot().plot(NOISE[:100_000], ".")
    save_figure(figure, path, path.with_suffix(".png"), "noise")


def _write_folder(path):
    with atomic_folder(path, "mark") as temporary:
        write_tensors(temporary / "small.safetensors", {"a": NOISE[:10]}, {})
        write_tensors(temporary / "large.safetensors", {"a": NOISE}, {})


def _write_table(path):
    with atomic_write(path) as temporary:
        pd.DataFrame({"a": NOISE}).to_csv(temporary, index=False)


def _write_corpus(path):
    write_corpus(path.parent, SimulatedSpec(rows=400, families=5, vendors=5))


WRITERS = {
    "one.h5": lambda path: write_arrays(path, {"a": NOISE}),
    "many.h5": lambda path: write_arrays(path, {f"a{n}": NOISE[:60] for n in range(2_000)}),
    "tensors.safetensors": lambda path: write_tensors(path, {"a": NOISE}, {}),
    "content.json": lambda path: write_json(path, {"a": NOISE.tolist()}),
    "table.csv": _write_table,
    "text.csv": _write_text,
    "figure.svg": _save_figure,
    "detector": _write_folder,
    "train_features_": _write_corpus,
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_named_and_nothing_half_written_stays(small_disk, name):
    with pytest.raises(DiskFullError) as caught:
        WRITERS[name](small_disk / name)
    message = str(caught.value)
    assert message.startswith(f"{small_disk / name}")
    assert "partial" not in message
    assert "no space left on the disk" in message
    assert "run the same command again" in message
    assert not list(small_disk.rglob("*"))


def test_after_space_was_freed_writing_works(small_disk):
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(900_000))
    with pytest.raises(DiskFullError):
        write_arrays(small_disk / "a.h5", {"a": NOISE[:50_000]})
    ballast.unlink()
    write_arrays(small_disk / "a.h5", {"a": NOISE[:50_000]})
    assert [path.name for path in small_disk.iterdir()] == ["a.h5"]


def test_other_errors_of_a_writer_stay_what_they_are(tmp_path):
    with pytest.raises(PermissionError), atomic_write(tmp_path / "x"):
        raise PermissionError("no")
    assert sha256_of(__file__)
