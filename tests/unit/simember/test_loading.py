from __future__ import annotations

import ast
import importlib
import shutil
import sys
from pathlib import Path

import msgspec
import pytest
import yaml

import simember
from dokunuki.errors import ConfigError
from simember import loading
from simember.loading import read, read_entries, read_table

PACKAGE = Path(simember.__file__).parent
ALLOWED = {
    "corpus.ember2024_layout",
    "corpus.layout",
    "errors",
    "progress",
    "seeding",
    "storage.files",
    "storage.yaml_text",
}


class Tool(msgspec.Struct, forbid_unknown_fields=True):
    bits: int
    linkers: dict[str, float] = {}


class Use(msgspec.Struct):
    bundle: str
    share: float


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "DATA", tmp_path)
    return tmp_path


def test_entries_keep_their_order_and_get_their_types(folder):
    (folder / "tools.yaml").write_text(
        'b:  # first\n  bits: 0x20\n  linkers: {"5.10": 1, "5.1": 0.5}\na: {bits: 64}\n'
    )
    tools = read_entries("tools.yaml", Tool)
    assert list(tools) == ["b", "a"]
    assert tools["b"] == Tool(32, {"5.10": 1.0, "5.1": 0.5})
    assert type(tools["b"].linkers["5.10"]) is float


def test_rows_are_read_without_their_comments(folder):
    (folder / "use.csv").write_text('# How often.\nbundle,share\nfiles,0.50\n# More.\n"a,b",1\n')
    assert read_table("use.csv", Use) == [Use("files", 0.5), Use("a,b", 1.0)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: {bits: 32}\nb: {bits: many}\n", r"tools\.yaml: b: .*`int`.*`\$\.bits`"),
        ("a: {bits: 32, bit: 1}\n", r"tools\.yaml: a: .*unknown field `bit`"),
        ("a: {}\n", r"tools\.yaml: a: .*missing required field `bits`"),
        # 5.10 is a number, and 5.1 the same one.
        ("a: {bits: 32, linkers: {5.10: 1}}\n", r"tools\.yaml: a: .*`str`.*`\$\.linkers`"),
        # YAML 1.1 takes `on` for true.
        ("on: {bits: 32}\n", r"tools\.yaml: .*`str`, got `bool`"),
        ("a: {bits: 32}\nb: {bits: 1}\na: {bits: 64}\n", r"'a' appears twice[^$]*line 3"),
        ("a: {bits: 32\n", r"tools\.yaml: [^$]*line 2"),
        ("", r"tools\.yaml: .*`object`, got `null`"),
    ],
)
def test_a_broken_file_is_named_with_its_key(folder, text, message):
    (folder / "tools.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_entries("tools.yaml", Tool)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bundle,share\nfiles,0.5\n\nwindows,half\n", r"use\.csv: line 3: 0 cells, not 2"),
        ("# a\nbundle,share\nfiles,half\n", r"use\.csv: line 3: .*`float`.*`\$\.share`"),
        ("bundle,share\nfiles\n", r"use\.csv: line 2: 1 cells, not 2"),
        ("bundle,shares\nfiles,1\n", r"use\.csv: columns: .*must be bundle, share"),
        ("", r"use\.csv: columns: .*must be bundle, share"),
    ],
)
def test_a_broken_table_is_named_with_its_line(folder, text, message):
    (folder / "use.csv").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_table("use.csv", Use)


def test_a_missing_file_says_how_to_restore_it(folder):
    with pytest.raises(ConfigError, match=r"git checkout -- .*tools\.yaml"):
        read("tools.yaml", dict[str, int])


@pytest.fixture
def edited(tmp_path, monkeypatch):
    """Import a copy of the package anew after an edit of one of its data files."""
    mine = {name: module for name, module in sys.modules.items() if name.startswith("simember")}
    for name in mine:
        monkeypatch.delitem(sys.modules, name)
    shutil.copytree(PACKAGE, tmp_path / "simember")
    monkeypatch.syspath_prepend(tmp_path)

    def generator(file: str, old: str, new: str):
        path = tmp_path / "simember" / "data" / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
        return importlib.import_module("simember.generator")

    yield generator
    for name in [name for name in sys.modules if name.startswith("simember")]:
        del sys.modules[name]
    sys.modules.update(mine)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("toolchains.yaml", "{vb6: 1}", "{vb7: 1}", r"vb6\.runtimes\.exe: 'vb7' is unknown"),
        ("toolchains.yaml", ".rsrc:rsrc", ".rsrc:icons", r"vc5\.sections\.exe: 'icons' is unknown"),
        ("toolchains.yaml", ".rsrc:rsrc", "rsrc", r"vc5\.sections\.exe: 'rsrc' is not `name:role`"),
        ("toolchains.yaml", "coff: {exe: 0x010F, ", "coff: {", r"vc5\.coff: its forms"),
        ("toolchains.yaml", "code: vb", "code: basic", r"vb6\.code: 'basic' is unknown"),
        ("toolchains.yaml", "flags: {idata:", "flags: {odata:", r"win10\.flags: 'odata' is unkn"),
        ("toolchains.yaml", '{"5.0": 0.5', "{5.0: 0.5", r"vc5: .*got `float`.*linkers"),
        ("mixes.csv", "vb6,exe", "vb7,exe", r"mixes\.csv: .*'vb7' is unknown"),
        ("mixes.csv", "fasm,exe", "fasm,dll", r"fasm dll plain: 'dll' is unknown; known: exe"),
        ("mixes.csv", ",nsis", ",nsys", r"mixes\.csv: line \d+: .*nsys"),
        ("use.csv", "files,", "flies,", r"use\.csv: flies: 'flies' is unknown"),
        ("habits.yaml", "dotnet-dll", "dotnet-driver", r"windows: 'dotnet-driver' is unknown"),
        ("habits.yaml", "{packed: 0.62", "{packer: 0.62", r"payload: 'packer' is unknown"),
        ("resources.yaml", "{icon: 0.9", "{icons: 0.9", r"localised: 'icons' is unknown"),
        ("bytes.yaml", "\n  1872 255", "\n  255", r"x86: 255 numbers, not 256"),
        ("characters.yaml", "234 13", "234 x3", r"x86: .*x3"),
        ("kinds.yaml", "table: gcc}", "table: gccc}", r"x86\.bytes: 'gccc' is unknown"),
        ("kinds.yaml", "table: gcc}", "tabel: gcc}", r"x86: .*unknown field `tabel`"),
        ("kinds.yaml", "0xcc: 1", "0xccc: 1", r"x86\.bytes: .* peaks from 0 to 255"),
        ("kinds.yaml", "characters: x86}", "characters: x87}", r"x86\.strings: 'x87' is unknown"),
        ("flags.yaml", "0x0001: ", "one: ", r"flags\.yaml: .*`int`, got `str`"),
    ],
)
def test_data_that_do_not_go_together_are_refused(edited, file, old, new, message):
    with pytest.raises(ConfigError, match=message) as error:
        edited(file, old, new)
    assert f"data/{file}: " in str(error.value)


def test_an_edit_of_the_data_changes_the_corpus(edited):
    generator = edited("words.yaml", "syllables: >-\n  ba ", "syllables: >-\n  xx ")
    named = [metadata[3] for _, metadata in generator.iterate_rows(generator.SimulatedSpec(40))]
    assert any("xx" in name for name in named)


def test_every_data_file_says_what_it_is():
    for path in (PACKAGE / "data").iterdir():
        assert path.suffix in {".yaml", ".csv"}
        assert path.read_text(encoding="utf-8").startswith("# "), path.name
        if path.suffix == ".yaml":
            assert isinstance(yaml.safe_load(path.read_text(encoding="utf-8")), dict)


def test_simember_knows_little_of_the_library():
    used = set()
    for path in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                used.add(node.module)
            elif isinstance(node, ast.Import):
                used |= {alias.name for alias in node.names}
    library = {name.partition(".")[2] for name in used if name.partition(".")[0] == "dokunuki"}
    assert library <= ALLOWED
