"""The table of labels: the forms that people's tables have, and errors that name file and line."""

from __future__ import annotations

import pytest

from dokunuki.corpus.extract.table import parse_label, read_labels
from dokunuki.errors import CorpusError

DIGEST = "ab" * 32


@pytest.fixture
def folder(tmp_path):
    programs = tmp_path / "programs"
    (programs / "sub").mkdir(parents=True)
    for name in ("a.exe", "b.exe", "sub/c.exe", "semi;colon.exe"):
        (programs / name).write_bytes(b"MZ")
    return programs


def labels_of(folder, content, *, encoding="utf-8"):
    path = folder.parent / "labels.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return read_labels(path, folder)


def by_path(table):
    return {path: told.label for path, told in table.by_path.items()}


@pytest.mark.parametrize(
    "content",
    [
        "path,label\na.exe,0\nsub/c.exe,1\n",
        "\ufeffpath,label\r\na.exe,0\r\nsub/c.exe,1\r\n",
        "Path;LABEL\na.exe;Goodware\nsub\\c.exe;MALWARE\n",
        "label\tfile\nfalse\t./a.exe\nTrue\tsub//c.exe",
        '"filename" , "label"\n"a.exe", benign\n\nsub/c.exe,malicious\n\n\n',
        "id,label,path,remark\n7,0.0,a.exe,x\n8,1.0,sub/c.exe,\n",
    ],
    ids=["plain", "BOM and CRLF", "semicolon", "tab, no last end", "blanks", "further columns"],
)
def test_forms_that_people_write(folder, content):
    assert by_path(labels_of(folder, content)) == {"a.exe": 0, "sub/c.exe": 1}


def test_utf_16_with_a_byte_order_mark_is_read(folder):
    table = labels_of(folder, "path,label\na.exe,1\n", encoding="utf-16")
    assert by_path(table) == {"a.exe": 1}


def test_an_absolute_path_below_the_folder_is_one_of_its_programs(folder):
    assert by_path(labels_of(folder, f"path,label\n{folder}/a.exe,1\n")) == {"a.exe": 1}


def test_a_quoted_name_holds_the_separator(folder):
    table = labels_of(folder, 'path;label\n"semi;colon.exe";1\n')
    assert by_path(table) == {"semi;colon.exe": 1}


@pytest.mark.parametrize("word", ["", "-1", "-1.0", "nan", "unlabelled", " "])
def test_without_a_label_a_program_is_unlabelled(folder, word):
    assert by_path(labels_of(folder, f"path,label\na.exe,{word}\n")) == {"a.exe": -1}


def test_a_line_that_ends_before_the_label_is_unlabelled(folder):
    assert by_path(labels_of(folder, "path,label\na.exe\n")) == {"a.exe": -1}


def test_programs_are_named_by_sha256_and_may_have_a_date_and_a_family(folder):
    table = labels_of(folder, f"SHA-256,label,Date,family\n{DIGEST.upper()},1,2019-03,emotet\n")
    told = table.by_sha256[DIGEST]
    assert (told.label, told.appeared, told.avclass) == (1, "2019-03", "emotet")
    assert not table.by_path


def test_a_path_with_its_sha256_goes_by_the_path(folder):
    table = labels_of(folder, f"path,sha256,label\na.exe,{DIGEST},1\n")
    assert table.by_path["a.exe"].sha256 == DIGEST
    assert not table.by_sha256


def test_a_line_twice_is_no_contradiction(folder):
    table = labels_of(folder, "path,label\na.exe,1\n./a.exe,malware\n")
    assert by_path(table) == {"a.exe": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("path,label\na.exe,2\n", r"labels.csv:2: label is '2'; a label is 0, false"),
        ("path,label\na.exe,0\nz.exe,0\n", r"labels.csv:3: z.exe: no such file in .*programs"),
        ("path,label\n../labels.csv,0\n", r"labels.csv:2: ../labels.csv: no such file in"),
        (
            "path,label\na.exe,0\na.exe,1\n",
            r"labels.csv:3: a.exe is labelled malware, and goodware",
        ),
        ("path,lable\na.exe,0\n", r"labels.csv:1: the columns are path, lable; needed"),
        ("md5,label\nab,0\n", r"needed are path or sha256"),
        ("sha256,label\nabc,0\n", r"labels.csv:2: sha256 is 'abc', not 64"),
        ("path,label\n,0\n", r"labels.csv:2: names no program"),
        ("path,label\n", r"the table labels nothing"),
        ("", r"the table labels nothing"),
        (b"path,label\n\xe4.exe,0\n", r"labels.csv: the CSV of labels is not UTF-8"),
        ("path,label\na\0.exe,0\n", r"labels.csv:2"),
    ],
)
def test_a_wrong_table_is_refused_with_its_line(folder, content, message):
    with pytest.raises(CorpusError, match=message):
        labels_of(folder, content)


def test_a_table_that_is_not_there_or_no_file_is_refused(folder):
    with pytest.raises(CorpusError, match="no such file; give the CSV of labels"):
        read_labels(folder / "none.csv", folder)
    with pytest.raises(CorpusError, match="cannot be read"):
        read_labels(folder, folder)


def test_a_label_of_another_word_names_the_place():
    with pytest.raises(CorpusError, match=r"^row 3: label is 'evil'"):
        parse_label("evil", "row 3")
