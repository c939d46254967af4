import hashlib

import pytest

from dokunuki.errors import DataFileError
from dokunuki.storage.seals import UNSEALED, check_seal, seal


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file"


def test_the_seal_is_the_files_sha256_with_zeros_for_digits(path):
    path.write_text(f"before {UNSEALED} after")
    whole = hashlib.sha256(path.read_bytes()).hexdigest()
    seal(path)
    assert path.read_text() == f"before sha256:{whole} after"
    check_seal(path)
    seal(path)  # again: nothing changes
    assert whole in path.read_text()


@pytest.mark.parametrize("size", [0, 2_100_000])
def test_any_change_is_noticed(path, size):
    path.write_text(f"{UNSEALED}{'x' * size}")
    seal(path)
    content = path.read_bytes()
    for changed in (content + b"y", content[:-1], content.replace(b"sha", b"shb"), b""):
        path.write_bytes(changed)
        with pytest.raises(DataFileError, match=r"file: damaged.*delete whole and run"):
            check_seal(path, "whole")
    path.write_bytes(content)
    check_seal(path)


def test_a_mark_far_into_the_file_is_none(path):
    path.write_text("x" * 600 + UNSEALED)
    with pytest.raises(DataFileError, match="not written by this version"):
        check_seal(path)


def test_a_missing_file_is_named(path):
    with pytest.raises(DataFileError, match="no such file"):
        check_seal(path)
