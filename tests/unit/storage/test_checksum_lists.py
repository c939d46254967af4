"""Checksums beside a file, as people write them; `sha256sum --check` is the judge of its forms."""

from __future__ import annotations

import hashlib
import os
import subprocess

import pytest

from dokunuki.errors import DataFileError
from dokunuki.storage.files import verify_checksum

CONTENT = b"a row\n"
RIGHT = hashlib.sha256(CONTENT).hexdigest()
WRONG = hashlib.sha256(b"another").hexdigest()
# Every form in which a line can be right, with the name and the digest left open.
FORMS = {
    "text": "{digest}  {name}\n",
    "binary": "{digest} *{name}\n",
    "one blank": "{digest} {name}\n",
    "tab": "{digest}\t{name}\n",
    "BSD": "SHA256 ({name}) = {digest}\n",
    "OpenSSL": "SHA256({name})= {digest}\n",
    "CRLF": "{digest}  {name}\r\n",
    "no end": "{digest}  {name}",
    "indented": "  {digest}  {name}\n",
    "comment": "# made today\n\n{digest}  {name}\n",
    "escaped": "\\{digest}  {name}\n",
    "escaped BSD": "\\SHA256 ({name}) = {digest}\n",
}
# Harmless too, though sha256sum knows them not.
OTHER_FORMS = {
    "digest alone": "{digest}\n",
    "with a mark": "\ufeff{digest}  {name}\n",
    "elsewhere": "{digest}  ./builds/2018/{name}\n",
    "from Windows": "{digest} *C:\\builds\\{name}\n",
    "renamed": "{digest}  ember.partial\n",
}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(CONTENT)
    return path


def write(file, text):
    content = text if isinstance(text, bytes) else text.encode()
    file.with_name(f"{file.name}.sha256").write_bytes(content)


@pytest.mark.parametrize("form", [*FORMS, *OTHER_FORMS])
@pytest.mark.parametrize("case", [str.lower, str.upper])
def test_forms_of_a_line(file, form, case):
    text = (FORMS | OTHER_FORMS)[form]
    write(file, text.format(digest=case(RIGHT), name=file.name))
    if form in FORMS:
        command = ["sha256sum", "--check", "--strict", "--quiet", f"{file.name}.sha256"]
        subprocess.run(command, cwd=file.parent, check=True)
    verify_checksum(file, required=True)
    write(file, text.format(digest=case(WRONG), name=file.name))
    with pytest.raises(DataFileError, match=r"jsonl: damaged, .* one in rows\.jsonl\.sha256"):
        verify_checksum(file)


@pytest.mark.parametrize(
    "name", ["a b.jsonl", "a(1) = 2.jsonl", "back\\slash", "new\nline", "毒.jsonl", "r\r.c", "*x"]
)
@pytest.mark.parametrize("tag", [[], ["--tag"], ["--binary"]])
def test_what_sha256sum_writes_is_read(tmp_path, name, tag):
    file = tmp_path / name
    for other, content in ((tmp_path / "other", b"x"), (file, CONTENT)):
        other.write_bytes(content)
    command = ["sha256sum", *tag, "--", "other", name]
    write(file, subprocess.run(command, cwd=tmp_path, check=True, capture_output=True).stdout)
    verify_checksum(file)
    file.write_bytes(b"changed")
    with pytest.raises(DataFileError, match="damaged"):
        verify_checksum(file)


def test_a_name_that_is_not_utf8(tmp_path):
    file = tmp_path / os.fsdecode(b"d\xe9c.jsonl")
    file.write_bytes(CONTENT)
    write(file, f"{WRONG}  other\n".encode() + RIGHT.encode() + b"  d\xe9c.jsonl\n")
    verify_checksum(file)


def test_text_from_powershell(file):
    write(file, f"{RIGHT}  {file.name}\r\n".encode("utf-16"))
    verify_checksum(file)


@pytest.mark.parametrize("order", [1, -1])
def test_of_several_files_the_right_one_counts(file, order):
    lines = [f"{WRONG}  other.jsonl\n", f"{RIGHT}  {file.name}\n", f"{WRONG}  rows.jsonl.gz\n"]
    write(file, "".join(lines[::order]))
    verify_checksum(file)
    write(file, "".join([*lines, f"{WRONG} *{file.name}\n"][::order]))
    with pytest.raises(DataFileError, match="damaged"):
        verify_checksum(file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no sha256 of a file"),
        ("<html>404</html>", "holds no sha256 of a file"),
        ("MD5 (rows.jsonl) = " + 32 * "a", "holds no sha256 of a file"),
        ("SHA512 (rows.jsonl) = " + 128 * "a", "holds no sha256 of a file"),
        (63 * "a" + "  rows.jsonl", "holds no sha256 of a file"),
        (65 * "a" + "  rows.jsonl", "holds no sha256 of a file"),
        (f"{RIGHT}  a\n{WRONG}  b\n", "lists 2 checksums and none of rows.jsonl"),
        (bytes(100), "holds no sha256 of a file"),
    ],
)
def test_lists_that_tell_nothing_of_the_file(file, text, message):
    write(file, text)
    with pytest.raises(DataFileError, match=rf"rows\.jsonl\.sha256 {message}; write that again"):
        verify_checksum(file)


def test_a_list_that_cannot_be_read(file):
    listed = file.with_name(f"{file.name}.sha256")
    listed.mkdir()
    with pytest.raises(DataFileError, match=r"sha256: cannot be read \(Is a directory\)"):
        verify_checksum(file)
    listed.rmdir()
    listed.symlink_to("gone")
    with pytest.raises(DataFileError, match=r"sha256: cannot be read \(No such file"):
        verify_checksum(file)
