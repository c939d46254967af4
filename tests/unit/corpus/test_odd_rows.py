"""Rows that people really have: what is harmless is taken, all else is refused by file and key."""

from __future__ import annotations

import copy
import json
import os
import random
import warnings

import numpy as np
import pytest
from sklearn.utils import murmurhash3_32

from dokunuki.corpus import ember_vectoriser
from dokunuki.corpus.index import build_index, read_index, write_index
from dokunuki.corpus.layout import feature_layout
from dokunuki.corpus.parsing import parse_row, read_row
from dokunuki.corpus.protocol import BadRow
from dokunuki.corpus.quick_check import quick_identities, quick_identity, row_identity
from dokunuki.corpus.release import open_release
from dokunuki.corpus.sampling import draw_sample, read_split, write_split
from dokunuki.corpus.vectoriser import vectorise
from dokunuki.corpus.vectors import vectorise_split
from dokunuki.errors import CorpusError
from dokunuki.storage.files import read_json, write_json
from ember2024_rows import raw_row_3

WHERE = "ember/test_features.jsonl:3"
MARK = b"\xef\xbb\xbf"
LONE = "\ud800"


@pytest.fixture
def row_of(make_row):
    """A function: a sound row of any version."""

    def make(version):
        if version < 3:
            return make_row(1, version=version)
        row = raw_row_3(np.random.default_rng(3), 1)
        row["imports"] = {"KERNEL32.dll": ["Sleep", "KERNEL32.dll:ordinal7"]}
        row["datadirectories"][1:] = [{"name": "EXPORT", "size": 7, "virtual_address": 8}]
        row["richheader"] = [1, 2]
        row["exports"] = ["a"]
        return row

    return make


@pytest.fixture
def folder_of(tmp_path):
    """A function: the bytes of a release's only file, as that release."""

    def write(content):
        (tmp_path / "test_features.jsonl").write_bytes(content)
        return tmp_path

    return write


def refusal(line, version):
    """The message that a line is refused with; the quick check must not pass it either."""
    assert quick_identity(line, version) is None
    with pytest.raises(CorpusError) as caught:
        parse_row(line, version, WHERE)
    assert str(caught.value).startswith(f"{WHERE}: ")
    return str(caught.value)


def number_places(row, version):
    """The paths of all numbers in a row that a column comes from; one for each list of them."""

    def walk(value, path):
        if isinstance(value, dict):
            for key, part in value.items():
                yield from walk(part, (*path, key))
        elif isinstance(value, list):
            for place, part in enumerate(value[:2]):
                yield from walk(part, (*path, place))
        elif isinstance(value, int | float):
            yield path

    unread = {"magic", "base_of_data"} if version == 3 else set()
    no_column = ("label", "first_submission_date", "last_analysis_date", "week_id")
    for path in walk(row, ()):
        if path[0] not in no_column and path[-1] not in unread:
            yield path


def put(row, path, value):
    *parents, last = path
    for key in parents:
        row = row[key]
    row[last] = value


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("text", ["1e39", "3.5e38", "1e999", "1" + "0" * 400, "9" * 5000])
def test_no_number_leaves_float32(row_of, version, text):
    row = row_of(version)
    places = list(number_places(row, version))
    assert len(places) > {1: 40, 2: 42, 3: 70}[version]
    for path in places:
        changed = copy.deepcopy(row)
        put(changed, path, "NUMBER")
        line = json.dumps(changed).replace('"NUMBER"', text).encode()
        message = refusal(line, version)
        # Python reads no number of 5,000 digits, and so knows no key of it.
        last = [part for part in path if isinstance(part, str)][-1]
        assert last in message or len(text) == 5000, message


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("value", [1e30, 3e38])
def test_whatever_is_passed_stays_finite(row_of, version, value):
    row = row_of(version)
    passed = 0
    for path in number_places(row, version):
        changed = copy.deepcopy(row)
        put(changed, path, value)
        try:
            parsed = parse_row(json.dumps(changed).encode(), version, WHERE)
        except CorpusError:
            continue
        passed += 1
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert np.isfinite(vectorise([parsed], version)).all(), path
    assert passed > 20 or (version, value) == (3, 3e38)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_sum_beyond_float32_is_refused(row_of, version):
    row = row_of(version)
    for part in row["section"]["sections"]:
        part["vsize"] = 2e38
    row["section"]["sections"] *= 2
    assert "section" in refusal(json.dumps(row).encode(), version)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_share_beyond_float32_is_refused(row_of, version):
    row = row_of(version)
    row["strings"]["printables"] = 1e-30
    assert "strings.printables" in refusal(json.dumps(row).encode(), version)


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize(
    "key", ["label", "sha256", "imports", "KERNEL32.dll", "size", "vsize", "entropy", "timestamp"]
)
@pytest.mark.parametrize("style", [(", ", ": "), (",", ":"), (" , ", " : ")])
def test_a_key_that_stands_twice_is_refused(row_of, version, key, style):
    row = row_of(version)
    line = json.dumps(row, separators=style)
    name = f'"{key}"{style[1]}'
    if name not in line:
        pytest.skip(f"no {key} in version {version}")
    end = line.index(name) + len(name)
    value, _ = json.JSONDecoder().raw_decode(line, end)
    again = json.dumps(value, separators=style)
    for text in (again, again.replace("0", "1")):
        twice = f"{line[:end]}{text}{style[0]}{name}{line[end:]}".encode()
        assert f"the key {key!r} appears twice" in refusal(twice, version)
    # One written with an escape is the same key.
    escaped = f'"\\u{ord(key[0]):04x}{key[1:]}"{style[1]}{again}{style[0]}'
    twice = f"{line[: end - len(name)]}{escaped}{line[end - len(name) :]}".encode()
    assert f"the key {key!r} appears twice" in refusal(twice, version)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_one_row_with_a_key_twice_among_sound_ones(row_of, version):
    lines = [json.dumps(row_of(version)).encode()] * 16
    lines[5] = lines[5].replace(b'"label"', b'"label": 0, "label"')
    found = quick_identities(lines, version)
    assert [row is None for row in found] == [number == 5 for number in range(16)]


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("name", ['"a":', "a:b", "x :", '{"size":1}', "\\", "::", "'::"])
def test_colons_and_quotation_marks_in_names_are_no_keys(row_of, version, name):
    row = row_of(version)
    row["imports"] = {name: [name], "b.dll": [name] * 3}
    row["exports"] = [name]
    line = json.dumps(row).encode()
    assert parse_row(line, version, WHERE) == row
    # A quotation mark or a blank before a colon leaves it open.
    assert quick_identity(line, version) or '":' in json.dumps(name) or " :" in name
    # They do not hide a key that stands twice.
    refusal(line.replace(b'"label"', b'"label": 0, "label"'), version)


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("text", [json.dumps(LONE), json.dumps("\udcff.dll" + LONE)])
def test_lone_surrogates_are_taken_and_hashed(row_of, version, text):
    name = json.loads(text)
    row = row_of(version)
    part = row["section"]["sections"][0]
    part["name"] = row["section"]["entry"] = name
    row["imports"][name] = [name, "Sleep"]
    row["exports"] = [name]
    line = json.dumps(row).encode()
    raw = json.dumps(row, ensure_ascii=False).encode("utf-8", "surrogatepass")
    assert parse_row(line, version, WHERE) == parse_row(raw, version, WHERE) == row
    (vector,) = vectorise([row], version)
    # The hash is that of the bytes: a name of its own, in no other's place but by chance.
    columns = feature_layout(version)
    hashed = murmurhash3_32(name.encode("utf-8", "surrogatepass"))
    expected = np.zeros(128)
    expected[abs(hashed) % 128] = 1 if hashed >= 0 else -1
    found = vector[columns.indices(f"export_hash_{n}" for n in range(128))]
    np.testing.assert_array_equal(found, expected)
    # All other columns are those of the same row without such names.
    other = copy.deepcopy(row)
    other["section"]["sections"][0]["name"] = other["section"]["entry"] = "x"
    del other["imports"][name]
    other["imports"]["x"] = ["x", "Sleep"]
    other["exports"] = ["x"]
    (plain,) = vectorise([other], version)
    differ = [columns.names[column] for column in np.flatnonzero(vector != plain)]
    blocks = ("section_", "entry_name", "import_", "export_")
    assert differ
    assert all("_hash_" in column and column.startswith(blocks) for column in differ)


def test_batches_with_lone_surrogates_leave_other_rows_as_they_are(make_row):
    rows = [make_row(number) for number in range(3)]
    alone = vectorise(rows, 1)
    odd = make_row(9)
    odd["section"]["sections"][1]["name"] = LONE
    np.testing.assert_array_equal(
        vectorise([odd, *rows], 1)[1:].view(np.uint32), alone.view(np.uint32)
    )


def test_embers_own_code_tells_no_hash_of_lone_surrogates(make_row):
    pytest.importorskip("ember", exc_type=ImportError)
    row = make_row()
    row["exports"] = [LONE]
    with pytest.raises(CorpusError, match=r"no lone surrogate .*set corpus\.vectoriser: dokunuki"):
        ember_vectoriser.vectorise([row], 1)


@pytest.mark.parametrize("version", [1, 3])
def test_lone_surrogates_in_dates_and_families_can_be_stored(row_of, folder_of, tmp_path, version):
    row = row_of(version)
    row["family" if version == 3 else "avclass"] = f"zbot{LONE}"
    row["appeared"] = LONE
    release = open_release(folder_of(json.dumps(row).encode()), version)
    index, report = build_index(release)
    write_index(tmp_path / "index.h5", index)
    write_json(tmp_path / "report.json", report)
    assert read_index(tmp_path / "index.h5").families == ("zbot\\ud800",)
    assert list(release.vectors(index.locations([0]), vectorise))


def test_lone_surrogates_in_a_bad_row_can_be_reported(make_row, folder_of, tmp_path):
    bad = make_row(1) | {"exports": [{LONE: 1}], "appeared": LONE}
    bad["imports"][LONE] = 3
    content = b"".join(json.dumps(row).encode() + b"\n" for row in (make_row(), bad))
    _, report = build_index(open_release(folder_of(content), 1), bad_rows="skip")
    write_json(tmp_path / f"{LONE.encode('utf-8', 'replace').decode()}.json", {"a": LONE} | report)
    (path,) = tmp_path.glob("*.json")
    assert read_json(path) == {"a": LONE} | report


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize(
    "framed",
    [
        lambda lines: MARK + b"\n".join(lines),
        lambda lines: b"\n\n".join(lines) + b"\n\n \t\n\v\n\f\n",
        lambda lines: b"\n".join(lines) + b"\x1a",
        lambda lines: b"\r\n".join(lines) + b"\r\n\x1a",
        lambda lines: b"\n" + b"\r\n".join(lines) + b"\r\n\r\n",
        lambda lines: MARK + b"\r\n" + b"\n".join([lines[0], MARK + lines[1], b"  " + lines[2]]),
    ],
    ids=["mark", "blank lines", "DOS", "DOS, last line", "CRLF", "files joined"],
)
def test_harmless_oddities_of_files(row_of, folder_of, version, framed):
    rows = [row_of(version) | {"sha256": f"{number + 1:064x}"} for number in range(3)]
    release = open_release(folder_of(framed([json.dumps(row).encode() for row in rows])), version)
    index, report = build_index(release)
    assert report["bad_rows"]["count"] == 0
    assert index.sha256(range(3)) == [row["sha256"] for row in rows]
    assert [row for _, row in release.read(index.locations(range(3)))] == rows


@pytest.mark.parametrize("content", [b"", b"\n", MARK, b"\r\n\r\n", MARK + b" \n\t\n"])
def test_a_file_without_rows_is_empty(folder_of, content):
    with pytest.raises(CorpusError, match=r"test_features\.jsonl: the file is empty"):
        list(open_release(folder_of(content), 1).scan())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda line: bytes(4096), "4096 NUL bytes and no row; the file is damaged"),
        (lambda line: line[:300] + bytes(50), "a NUL byte at byte 301; the file is damaged"),
        (lambda line: b"\xff\xfe" + line.decode().encode("utf-16-le"), "seems to be UTF-16"),
        (lambda line: line.decode().encode("utf-16-be"), "seems to be UTF-16"),
        (lambda line: line.decode().encode("utf-32"), "seems to be UTF-16 or UTF-32"),
        (lambda line: line.replace(b"Sleep", b"Sl\xe9p"), "(0xe9) is not UTF-8; write the file"),
        (lambda line: line + line, "extra data at character"),
        (lambda line: line + line, "two rows stand on one line"),
        (lambda line: line + b"\r" + line, "end in CR alone, write them with LF"),
        (lambda line: b"[" + line + b"," + line + b"]", "holds a list of rows"),
        (lambda line: b"[" + line + b",", "seems to be one list of rows"),
        (lambda line: line + b",", "a comma follows the row"),
        (lambda line: bytes(100) + line, "a NUL byte at byte 1; the file is damaged"),
        (lambda line: b"{", "a row may not go over several lines"),
        (lambda line: b"[" * 100_000, "malformed JSON: nested too deeply"),
        (lambda line: line[:-1] + b', "x": NaN}', "malformed JSON: NaN is not a JSON number"),
        (lambda line: line[:700], "malformed JSON"),
        (lambda line: b"null", "a row is a JSON object"),
        (lambda line: b'"text"', "a row is a JSON object"),
        (lambda line: b"{}", "has no 'sha256'"),
    ],
)
def test_what_is_no_row_is_told_by_its_kind(make_row, damage, message):
    assert message in refusal(damage(json.dumps(make_row()).encode()), 1)


def test_a_file_cut_off_within_a_row_and_filled_with_nul(make_row, folder_of):
    lines = [json.dumps(make_row(number)).encode() + b"\n" for number in range(3)]
    release = open_release(folder_of(b"".join(lines)[:-900] + bytes(900)), 1)
    *sound, bad = release.scan()
    assert len(sound) == 2
    assert isinstance(bad, BadRow)
    assert "test_features.jsonl:3: " in str(bad.error)
    assert "it is truncated" in str(bad.error)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_spaces_before_colons_are_sound(row_of, version):
    row = row_of(version)
    line = json.dumps(row, separators=(" , ", " : ")).encode()
    assert parse_row(line, version, WHERE) == row


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("depth", [500, 1_100, 50_000])
def test_rows_that_are_nested_deep_in_what_is_not_read(row_of, folder_of, version, depth):
    line = json.dumps(row_of(version))[:-1] + f', "caps": {"[" * depth}{"]" * depth}}}'
    release = open_release(folder_of(line.encode()), version)
    (found,) = release.scan()
    # How deep Python's own reader goes, past a thousand, is for its version to say.
    if depth == 500 or (depth == 1_100 and not isinstance(found, BadRow)):
        assert list(release.vectors(build_index(release)[0].locations([0]), vectorise))
    else:
        assert "nested too deeply" in str(found.error)


@pytest.mark.parametrize(
    "damage",
    [
        lambda line: line.replace(b'"label": 0', b'"label": 7'),
        lambda line: line + b"\r" + line,
        lambda line: b"[" + line + b"]",
        lambda line: bytes(600),
    ],
)
def test_a_last_line_without_end_is_not_cut_off_whatever_is_wrong(make_row, folder_of, damage):
    line = json.dumps(make_row()).encode()
    _, bad = open_release(folder_of(line + b"\n" + damage(line)), 1).scan()
    assert "it is truncated" not in str(bad.error)


def test_a_name_that_is_not_utf8(make_row, tmp_path):
    lines = [json.dumps(make_row(number, number % 2)).encode() for number in range(8)]
    (tmp_path / os.fsdecode(b"d\xe9c.jsonl")).write_bytes(b"\n".join(lines))
    release = open_release(tmp_path, 1)
    index, report = build_index(release)
    write_index(tmp_path / "index.h5", index)
    write_json(tmp_path / "corpus.json", report)
    index = read_index(tmp_path / "index.h5")
    write_split(tmp_path / "split.csv", draw_sample(index, 4, 0.5, 0, seed=1))
    split = read_split(tmp_path / "split.csv")
    assert set(split.file.tolist()) == {"d\\udce9c.jsonl"}
    assert len(vectorise_split(release, index, split, dataset="own").X) == 4


@pytest.mark.parametrize("text", ["0" * 64, "what is this?"])
def test_a_file_with_another_checksum_beside_it(make_row, folder_of, text):
    folder = folder_of(json.dumps(make_row()).encode())
    (folder / "test_features.jsonl.sha256").write_text(text)
    with pytest.raises(CorpusError, match=r"jsonl: .* checksum is not .*fetch or copy it again"):
        list(open_release(folder, 1).scan())


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_key_with_a_lone_surrogate_is_passed_over_as_any_other(row_of, version):
    row = row_of(version)
    for block in (row, row["strings"], row["header"]["coff"], row["section"]["sections"][0]):
        block[LONE] = 1
    line = json.dumps(row).encode()
    assert parse_row(line, version, WHERE) == row
    del row["strings"]["entropy"]
    row["strings"][f"entropy{LONE}"] = 1
    assert "entropy" in refusal(json.dumps(row).encode(), version)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_rows_damaged_at_random(row_of, version):
    """Neither check fails but by its own words, and what the quick one passes the other does."""
    draw = random.Random(version)
    sound = json.dumps(row_of(version)).encode()
    pieces = [
        *(b'"', b",", b"0", b"-", b"1e999", b"1e39", b"\xff", b"\x01", b"\\ud800", b"null", b"["),
        *(b" ", b".", b":", b'"a":1,', b'"size":', b'" :', b'":"', b'\\":', b'"label": 1, '),
        *(b"\x00", MARK, b"{", b"}", b"\xed\xa0\x80", b"true", b"9" * 30),
        *(b"\\q", b"\\u12", b"+1", b"1.", b"NaN", b"\xc3\xa9", b"\n", b"01"),
    ]
    passed = 0
    for _ in range(2500):
        line = bytearray(sound)
        start = draw.randrange(len(line))
        line[start : start + draw.choice((0, 0, 1, 2))] = draw.choice(pieces)
        found = quick_identity(bytes(line), version)
        try:
            row = parse_row(bytes(line), version, WHERE)
        except CorpusError:
            assert found is None, bytes(line)
            continue
        passed += 1
        assert found in (None, row_identity(row, version))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert np.isfinite(vectorise([read_row(bytes(line))], version)).all()
    assert 100 < passed < 2400
