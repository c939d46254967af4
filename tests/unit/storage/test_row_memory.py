"""Memory for whole matrices: what is too large for it lies in a scratch file, with equal values."""

import errno
import gc
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest

from dokunuki.corpus.layout import feature_layout
from dokunuki.defences.autoencoder import AutoencoderReconstruction
from dokunuki.detector import Detector
from dokunuki.errors import DokunukiError
from dokunuki.networks.autoencoder import AutoencoderModel
from dokunuki.networks.embernn import EmberNN
from dokunuki.storage import row_memory as module
from dokunuki.storage.arrays import write_arrays
from dokunuki.storage.matrix import StoredMatrix
from dokunuki.storage.row_blocks import picked_rows
from dokunuki.storage.row_memory import LIMIT_VARIABLE, largest_in_memory, row_memory

SMALL = 1e-4  # MB: 100 bytes


def _mapped(array):
    """Whether the array, or what it is a view of, lies in a file."""
    while isinstance(array, np.ndarray) and array.base is not None:
        array = array.base
    return not isinstance(array, np.ndarray)


def _open_scratch():
    """The scratch files that this process still maps."""
    lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if tempfile.gettempdir() + "/" in line and "deleted" in line]


def test_what_fits_lies_in_memory_and_what_does_not_in_a_file(monkeypatch):
    assert not _mapped(row_memory((25, 4), np.float32))
    monkeypatch.setenv(LIMIT_VARIABLE, str(SMALL))
    assert not _mapped(row_memory((5, 5), np.float32))
    large = row_memory((26, 4), np.float32)
    assert _mapped(large)
    assert large.shape == (26, 4)
    assert large.dtype == np.float32
    assert large.flags.writeable
    large[:] = 3
    assert large.sum() == 3 * 26 * 4


def test_the_file_has_no_name_and_goes_with_the_array(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv(LIMIT_VARIABLE, str(SMALL))
    rows = row_memory((1000, 4), np.float64)
    assert list(tmp_path.iterdir()) == []
    assert len(_open_scratch()) == 1
    del rows
    gc.collect()
    assert _open_scratch() == []


def test_a_full_disk_is_told_before_anything_is_written(monkeypatch, tmp_path):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(os, "posix_fallocate", full)
    monkeypatch.setenv(LIMIT_VARIABLE, str(SMALL))
    with pytest.raises(DokunukiError, match=rf"{tmp_path}: No space left .* 0\.3 GB .* TMPDIR"):
        row_memory((10**7, 8), np.float32)


@pytest.mark.parametrize("given", ["", "many", "0", "-1", "nan", "inf"])
def test_a_limit_that_is_none_is_refused(monkeypatch, given):
    monkeypatch.setenv(LIMIT_VARIABLE, given)
    with pytest.raises(DokunukiError, match=f"{LIMIT_VARIABLE}={given}: must be a number"):
        row_memory((2, 2), np.float32)


def test_the_limit_is_half_of_what_the_process_may_use(monkeypatch):
    monkeypatch.delenv(LIMIT_VARIABLE, raising=False)
    monkeypatch.setattr(module, "_usable", lambda: 1000)
    assert largest_in_memory() == 500


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/slurm/job_7/step_0", {"slurm/job_7/memory.max": "5000"}, [5000]),
        ("0::/a/b", {"a/b/memory.max": "max", "a/memory.max": "700"}, [700]),
        ("0::/", {"memory.max": "900"}, [900]),
        ("0::/a", {}, []),
        (
            "3:cpu,cpuacct:/a\n9:memory:/a",
            {"memory/a/memory.limit_in_bytes": "800", "cpu/a/memory.limit_in_bytes": "1"},
            [800],
        ),
    ],
)
def test_limits_of_control_groups(tmp_path, membership, files, expected):
    (tmp_path / "cgroup").write_text(membership + "\n", encoding="utf-8")
    for name, text in files.items():
        path = tmp_path / "groups" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
    assert module._group_limits(tmp_path / "cgroup", tmp_path / "groups") == expected
    assert module._group_limits(tmp_path / "absent", tmp_path / "groups") == []


def test_rows_are_picked_as_numpy_picks_them(monkeypatch):
    monkeypatch.setenv(LIMIT_VARIABLE, str(SMALL))
    monkeypatch.setattr("dokunuki.storage.row_blocks._BLOCK_ROWS", 7)
    X = np.arange(400, dtype=np.float32).reshape(100, 4)
    rows = np.random.default_rng(0).integers(0, 100, 50)
    picked = picked_rows(X, rows)
    assert _mapped(picked)
    assert np.array_equal(picked, X[rows])
    assert picked_rows(X, rows[:0]).shape == (0, 4)


def test_a_detector_is_the_same_wherever_its_rows_lay(monkeypatch, tmp_path):
    layout = feature_layout(1)
    rng = np.random.default_rng(3)
    X = rng.exponential(size=(60, layout.width)).astype(np.float32)
    y = rng.integers(0, 2, 60)
    write_arrays(tmp_path / "rows.h5", {"X": X})
    network = {"optimiser": "adam", "learning_rate": 1e-3, "epochs": 2, "batch_size": 16}

    def scores():
        rows = StoredMatrix(tmp_path / "rows.h5", "X")[np.arange(60)]
        model = AutoencoderModel(hidden=8, code=4, dropout=0.2, **network)
        classifier = EmberNN(hidden=[8], dropout=0.5, **network)
        detector = Detector([AutoencoderReconstruction(layout, model)], classifier)
        detector.fit(rows, y, copy=False)
        return _mapped(rows), detector.malware_scores(X)

    in_memory, expected = scores()
    monkeypatch.setenv(LIMIT_VARIABLE, "0.1")
    in_file, found = scores()
    assert (in_memory, in_file) == (False, True)
    assert np.array_equal(found, expected)
