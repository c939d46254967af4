"""Layouts of features that are not EMBER's: a file of the user's names groups, kinds and reach.

Two forms are read. YAML or JSON has groups, in the order of the columns:

    name: in-house
    groups:
      bytes: {width: 256, kind: real, attackable: false}   # bytes_0 to bytes_255
      header: {columns: {size: count, entropy: real, has_tls: flag}}
      sections: {columns: [num_sections, num_writable], kind: count}
      imports: {width: 512, kind: hash}
    feasible: [size, num_sections]

CSV has one line a column: name and kind, and if wanted group, attackable and feasible.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import jsonschema
import yaml

from dokunuki.corpus.columns import KINDS, Kind
from dokunuki.corpus.layout_record import LayoutColumn, layout_of_columns
from dokunuki.errors import ConfigError
from dokunuki.storage.yaml_text import load_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dokunuki.corpus.layout import FeatureLayout

# A name and a few bytes each: a number of many digits is to take no memory.
_MOST_COLUMNS = 200_000
_ONE_GROUP = "features"
_TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_CSV_COLUMNS = ("name", "kind", "group", "attackable", "feasible")

_KIND = {"enum": list(get_args(Kind))}
_NAME = {"type": "string", "minLength": 1}
_SCHEMA = {
    "type": "object",
    "required": ["groups"],
    "additionalProperties": False,
    "properties": {
        "name": _NAME,
        "groups": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "columns": {
                        "anyOf": [
                            {"type": "array", "minItems": 1, "items": _NAME},
                            {"type": "object", "minProperties": 1, "additionalProperties": _KIND},
                        ]
                    },
                    "width": {"type": "integer", "minimum": 1, "maximum": _MOST_COLUMNS},
                    "kind": _KIND,
                    "attackable": {"type": "boolean"},
                    "feasible": {"type": "boolean"},
                },
            },
        },
        "feasible": {"type": "array", "items": _NAME},
        "unattackable": {"type": "array", "items": _NAME},
    },
}


def read_layout(path: str | Path) -> FeatureLayout:
    """The layout that a file describes: YAML or JSON, or CSV where its name ends so.

    Raises ConfigError that names the file and the key or line, for a file that is not there or
    cannot be read, for an unknown kind, a column that stands there twice, and for a column that
    `feasible` names and no group has.
    """
    path = Path(path).expanduser()
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise ConfigError(
            f"{path}: the layout file cannot be read ({error}); check the path and its permissions"
        ) from error
    if path.suffix.lower() == ".csv":
        return _layout_of_columns(path, _csv_entries(path, text.splitlines()))
    try:
        content = load_yaml(text)
    except yaml.YAMLError as error:
        raise ConfigError(
            f"{path}: the layout file is not valid YAML ({error}); mend it"
        ) from error
    problem = jsonschema.exceptions.best_match(
        jsonschema.Draft202012Validator(_SCHEMA).iter_errors(content)
    )
    if problem is not None:
        key = problem.json_path.removeprefix("$").removeprefix(".") or "top level"
        raise ConfigError(
            f"{path}: {key}: {problem.message}; docs/corpora.md shows what a layout file holds"
        )
    return _layout_of_columns(path, _yaml_entries(path, content), content.get("name"))


def _yaml_entries(path: Path, content: Mapping[str, Any]) -> list[LayoutColumn]:
    entries = []
    for group, given in content["groups"].items():
        if ("columns" in given) == ("width" in given):
            raise ConfigError(f"{path}: groups.{group}: needs either columns or width")
        columns = given.get("columns") or [f"{group}_{n}" for n in range(given["width"])]
        kinds = columns if isinstance(columns, dict) else dict.fromkeys(columns, given.get("kind"))
        if isinstance(columns, dict) and "kind" in given:
            raise ConfigError(
                f"{path}: groups.{group}.kind: each of its columns has a kind already; leave it out"
            )
        if isinstance(columns, list) and len(kinds) < len(columns):
            twice = next(name for name in columns if columns.count(name) > 1)
            raise ConfigError(
                f"{path}: groups.{group}.columns: {twice} is listed twice; remove one"
            )
        if None in kinds.values():
            raise ConfigError(
                f"{path}: groups.{group}.kind: is missing; set it to one of {', '.join(KINDS)}"
            )
        reached, settable = given.get("attackable", True), given.get("feasible", False)
        entries += [
            LayoutColumn(group, name, kind, reached, settable) for name, kind in kinds.items()
        ]
        if len(entries) > _MOST_COLUMNS:
            raise ConfigError(f"{path}: groups: hold more than {_MOST_COLUMNS} columns")
    known = {entry.name: entry for entry in entries}
    for key, attribute, value in (
        ("feasible", "feasible", True),
        ("unattackable", "attackable", False),
    ):
        for name in content.get(key, []):
            if name not in known:
                raise ConfigError(
                    f"{path}: {key}: no group has a column {name!r}; check its spelling"
                )
            setattr(known[name], attribute, value)
    return entries


def _csv_entries(path: Path, lines: Sequence[str]) -> list[LayoutColumn]:
    reader = csv.DictReader(lines)
    names = tuple(name.strip().lower() for name in reader.fieldnames or ())
    if not {"name", "kind"} <= set(names) or not set(names) <= set(_CSV_COLUMNS):
        raise ConfigError(
            f"{path}: line 1: the columns are {', '.join(names)}; a layout file has name and kind, "
            f"and optionally {', '.join(_CSV_COLUMNS[2:])}"
        )
    reader.fieldnames = names
    entries = []
    for row in reader:
        where = f"{path}: line {reader.line_num}"
        name, kind = ((row[key] or "").strip() for key in ("name", "kind"))
        if not name or kind not in KINDS:
            raise ConfigError(
                f"{where}: column {name!r} of kind {kind!r}; a kind is one of {', '.join(KINDS)}"
            )
        reached = _truth(row.get("attackable"), f"{where}: attackable", default=True)
        settable = _truth(row.get("feasible"), f"{where}: feasible", default=False)
        group = (row.get("group") or "").strip() or _ONE_GROUP
        entries.append(LayoutColumn(group, name, kind, reached, settable))
    return entries


def _truth(text: str | None, where: str, *, default: bool) -> bool:
    word = (text or "").strip().lower()
    if word and word not in _TRUTHS:
        raise ConfigError(f"{where} is {text!r}; write true or false")
    return _TRUTHS.get(word, default)


def _layout_of_columns(
    path: Path, entries: Sequence[LayoutColumn], name: str | None = None
) -> FeatureLayout:
    """Check what both forms of a file can get wrong."""
    if not entries:
        raise ConfigError(f"{path}: the layout file names no column; name at least one")
    names = [entry.name for entry in entries]
    if len(set(names)) < len(names):
        twice = next(column for column in names if names.count(column) > 1)
        raise ConfigError(f"{path}: the column {twice} is listed twice; remove one")
    if not any(entry.attackable for entry in entries):
        raise ConfigError(
            f"{path}: no column is attackable, so there is nothing to attack or defend; mark those "
            "that an attacker can change"
        )
    for entry in entries:
        if entry.feasible and not entry.attackable:
            raise ConfigError(
                f"{path}: column {entry.name} is feasible but not attackable; make it attackable, "
                "or leave it out of the feasible columns"
            )
    groups = [entry.group for entry in entries]
    changes = [group for group, last in zip(groups, [None, *groups], strict=False) if group != last]
    if len(set(changes)) < len(changes):
        split = next(group for group in changes if changes.count(group) > 1)
        raise ConfigError(
            f"{path}: the columns of group {split} are not next to each other; order them by group "
            "(a table's columns are found by name in any order), or give each part a group name "
            "of its own"
        )
    return layout_of_columns(name or path.stem, entries)
