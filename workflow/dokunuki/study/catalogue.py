"""The catalogue: every method that a study can name, one small YAML file each.

A folder of the catalogue holds folders called as the configuration's sections (`KINDS`); the file
`defences/ae.yaml` is the entry `ae` of `defences`. The library's own folder comes first, then those
that the configuration's key `catalogue` names. Sections of the configuration change single keys of
an entry, or add entries.
"""

from __future__ import annotations

import copy
import difflib
import itertools
import re
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from dokunuki.errors import ConfigError
from dokunuki.storage.yaml_text import load_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Entry = dict[str, Any]
Catalogue = dict[str, dict[str, Entry]]

KINDS = ("attacks", "defences", "autoencoders", "classifiers")

TIERS = ("defence", "ours", "input-time", "clean-rows", "bound")
"""What a defence is compared as, in the order of tables; see the configuration's schema."""

RANKED_TIERS = ("defence", "ours", "input-time")
"""The tiers that are told neither clean rows nor the poison, and so share one order."""

FAMILIES = ("none", "representation", "filter", "training", "certified")

TAG = "tag:"
"""How a list of names asks for all entries with a tag: `tag:benchmark`."""

# An entry that extends another takes all of it but what belongs to the other one alone.
_NOT_INHERITED = ("label", "tags")
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def nearest(word: str, known: Iterable[str]) -> str:
    """Text naming the nearest known word, or all of them when none is near."""
    known = sorted(known)
    matches = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean {matches[0]!r}?" if matches else f"known: {', '.join(known)}"


def read_yaml(path: str | Path) -> Any:  # noqa: ANN401 - whatever the file holds
    """The content of a YAML file; ConfigError names the file and the line that is wrong.

    A key that stands twice is wrong too.
    """
    try:
        return load_yaml(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise ConfigError(f"{path}{line}: not valid YAML: {problem}") from error


def read_catalogue(folders: Iterable[str | Path]) -> tuple[Catalogue, dict[tuple[str, str], Path]]:
    """The entries of all folders, and the file of each by kind and name.

    Raises ConfigError, naming the file or folder, for a folder that is none or holds no entry, a
    file that is no mapping, a name that paths cannot hold, and a name that two folders use.
    """
    catalogue: Catalogue = {kind: {} for kind in KINDS}
    files: dict[tuple[str, str], Path] = {}
    for folder in map(Path, folders):
        found = [
            (kind, path)
            for kind in KINDS
            for path in sorted((folder / kind).glob("*.yaml"), key=attrgetter("stem"))
        ]
        if not found:
            raise ConfigError(
                f"config: catalogue: {folder} holds no entry; put each method in a file such as "
                f"{folder / 'defences' / 'mine.yaml'} (the kinds are {', '.join(KINDS)})"
            )
        for kind, path in found:
            name = path.stem
            if not _NAME.fullmatch(name):
                raise ConfigError(
                    f"{path}: {name!r} is not a valid name; rename the file with lower-case "
                    "letters, digits and single hyphens"
                )
            if (kind, name) in files:
                raise ConfigError(
                    f"{path}: {files[kind, name]} has this name too; give the file another one, or "
                    f"change single keys under {kind}.{name} in a --configfile"
                )
            entry = read_yaml(path)
            if not isinstance(entry, dict):
                raise ConfigError(f"{path}: must hold keys and values, such as class: package.Name")
            catalogue[kind][name], files[kind, name] = entry, path
    return catalogue, files


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the keys of `changes`, mappings within it likewise; a copy."""
    result = copy.deepcopy(dict(base))
    for key, value in changes.items():
        held = result.get(key)
        if isinstance(held, dict) and isinstance(value, dict):
            result[key] = merged(held, value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def changed_entry(entry: Mapping[str, Any], changes: Mapping[str, Any]) -> Entry:
    """An entry with an overlay's changes; with a class of its own the overlay stands alone.

    The parameters of one class are none of another's.
    """
    made = [key for key in ("class", "steps", "extends") if key in changes]
    replaced = any(changes[key] != entry.get(key) for key in made)
    return copy.deepcopy(dict(changes)) if replaced else merged(entry, changes)


def resolve_extends(section: Mapping[str, Entry], kind: str) -> dict[str, Entry]:
    """Entries with what they extend filled in; raises ConfigError for a name that is no entry.

    An entry takes all keys of the one that it `extends`, its label and tags apart, and changes
    those that it names itself.
    """
    resolved: dict[str, Entry] = {}

    def resolve(name: str, seen: tuple[str, ...]) -> Entry:
        if name in resolved:
            return resolved[name]
        own = section[name]
        base = own.get("extends") if isinstance(own, dict) else None
        if base is None:
            return copy.deepcopy(own)
        where = f"config: {kind}.{name}.extends"
        if base not in section:
            raise ConfigError(f"{where}: unknown {kind[:-1]} {base!r}; {nearest(base, section)}")
        if base in (*seen, name):
            raise ConfigError(
                f"{where}: {base!r} leads back to this entry; remove one of these `extends`"
            )
        whole = resolve(base, (*seen, name))
        inherited = {key: value for key, value in whole.items() if key not in _NOT_INHERITED}
        return merged(inherited, {key: value for key, value in own.items() if key != "extends"})

    for name in section:
        resolved[name] = resolve(name, ())
    return resolved


def tags_of(entry: Mapping[str, Any]) -> set[str]:
    """What lists may ask for an entry by: its tags; of a defence its tier, family and "ranked"."""
    own = {entry[key] for key in ("tier", "family") if key in entry}
    ranked = {"ranked"} if entry.get("tier") in RANKED_TIERS else set()
    return {*entry.get("tags", ()), *own, *ranked}


def expand_tags(names: Sequence[str], section: Mapping[str, Entry], where: str) -> list[str]:
    """Names with every `tag:NAME` replaced by the entries that have the tag; each name once.

    They stand in the order of tables: by tier, family and name. Raises ConfigError, naming `where`,
    for a tag that no entry has.
    """
    expanded: dict[str, None] = {}
    for name in names:
        if not name.startswith(TAG):
            expanded[name] = None
            continue
        tag = name.removeprefix(TAG)
        tagged = [held for held, entry in section.items() if tag in tags_of(entry)]
        if not tagged:
            known = {known for entry in section.values() for known in tags_of(entry)}
            raise ConfigError(
                f"config: {where}: no entry has the tag {tag!r}; {nearest(tag, known)}"
            )
        expanded |= dict.fromkeys(sorted(tagged, key=lambda held: _order(held, section[held])))
    return list(expanded)


def _order(name: str, entry: Mapping[str, Any]) -> tuple[int, int, str]:
    tier, family = entry.get("tier", TIERS[0]), entry.get("family", FAMILIES[0])
    return TIERS.index(tier), FAMILIES.index(family), name


def steps_of(defences: Mapping[str, Entry], name: str) -> list[str]:
    """The entries with a class that a defence is made of, in order: itself, or its `steps`.

    Raises ConfigError for a step that is no defence, or that comes back to the defence itself.
    """

    def steps(current: str, seen: tuple[str, ...]) -> list[str]:
        entry = defences[current]
        if entry.get("steps") is None:
            return [current]
        found: list[str] = []
        for step in entry["steps"]:
            where = f"config: defences.{current}.steps"
            if step not in defences:
                raise ConfigError(f"{where}: unknown defence {step!r}; {nearest(step, defences)}")
            if step in (*seen, current):
                raise ConfigError(
                    f"{where}: {step!r} leads back to this defence; remove one of these steps"
                )
            found += steps(step, (*seen, current))
        return found

    return steps(name, ())


def autoencoder_of(defences: Mapping[str, Entry], name: str) -> str | None:
    """The autoencoder that a defence or its steps name; None for none.

    Raises ConfigError when its steps name two: one is trained for a defence, on the rows as they
    were at first.
    """
    entries = [defences[name], *(defences[step] for step in steps_of(defences, name))]
    named = dict.fromkeys(e["autoencoder"] for e in entries if e.get("autoencoder") is not None)
    if len(named) > 1:
        raise ConfigError(
            f"config: defences.{name}: its steps name the autoencoders {', '.join(named)}, but "
            "all steps share one; name the same one in each"
        )
    return next(iter(named), None)


def choosing_steps_of(defences: Mapping[str, Entry], name: str) -> list[str]:
    """The first of a defence's steps, as many as only choose rows (`chooses_rows`)."""
    steps = steps_of(defences, name)
    return list(itertools.takewhile(lambda step: defences[step]["chooses_rows"], steps))
