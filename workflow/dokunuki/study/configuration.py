"""The configuration: defaults from the schema, and errors that name the key and the mend."""

from __future__ import annotations

import copy
import difflib
import math
from typing import TYPE_CHECKING, Any

import yaml
from jsonschema import Draft202012Validator

from dokunuki.corpus.layout import feature_layout
from dokunuki.errors import ConfigError
from dokunuki.study.grid import defended_classifiers
from dokunuki.study.rates import poison_count, rate_code

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

Config = dict[str, Any]

# libyaml, where PyYAML was built with it, reads the schema ten times as fast.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def nearest(word: str, known: Iterable[str]) -> str:
    """Text naming the nearest known word, or all of them when none is near."""
    known = sorted(known)
    matches = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean {matches[0]!r}?" if matches else f"known: {', '.join(known)}"


def load_config(raw: Mapping[str, Any], schema_path: str | Path) -> Config:
    """Check a configuration and fill in the schema's defaults.

    `raw` is what Snakemake merged from config.yaml, overlays and the command line; it is not
    changed. Raises ConfigError, naming the key, for an unknown key, a value of the wrong type or
    range, a name that the grid uses and no section defines, and a grid that the sample cannot
    hold.
    """
    with open(schema_path, encoding="utf-8") as file:  # noqa: PTH123 - a str or a Path
        schema = yaml.load(file, _LOADER)
    config: Config = _typed(copy.deepcopy(dict(raw)), schema, schema)
    _fill_defaults(config, schema, schema)
    if isinstance(config["seeds"], dict):
        # YAML reads them as numbers, and the wildcards of a path are text.
        config["seeds"] = {str(seed): entry for seed, entry in config["seeds"].items()}
    _check_schema(config, schema)
    _check_names(config)
    _check_knowledge(config)
    _check_grid(config)
    return config


def _resolve(node: Mapping[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
    """Follow a `$ref` into `$defs`; keys beside the reference win."""
    if "$ref" not in node:
        return dict(node)
    target = root["$defs"][node["$ref"].rsplit("/", 1)[1]]
    return {**_resolve(target, root), **{k: v for k, v in node.items() if k != "$ref"}}


def _typed(value: Any, node: Mapping[str, Any], root: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """Turn numbers that came as text into numbers, as nested values of --config come."""
    node = _resolve(node, root)
    if isinstance(value, dict):
        properties, others = node.get("properties", {}), node.get("additionalProperties")
        for key, held in value.items():
            child = properties.get(key, others if isinstance(others, dict) else {})
            value[key] = _typed(held, child, root)
    elif isinstance(value, list):
        return [_typed(held, node.get("items", {}), root) for held in value]
    elif isinstance(value, str):
        types = node.get("type", [])
        if types == "boolean":
            return {"true": True, "false": False}.get(value.lower(), value)
        texts = "string" in types or value in node.get("enum", []) or "pattern" in node
        read = value if texts else yaml.safe_load(value or '""')
        return read if isinstance(read, int | float) and not isinstance(read, bool) else value
    return value


def _fill_defaults(value: Any, node: Mapping[str, Any], root: Mapping[str, Any]) -> None:  # noqa: ANN401
    node = _resolve(node, root)
    if not isinstance(value, dict):
        return
    properties = node.get("properties", {})
    for key, child in properties.items():
        child = _resolve(child, root)
        if key not in value and "default" in child:
            value[key] = copy.deepcopy(child["default"])
        if key in value:
            _fill_defaults(value[key], child, root)
    others = node.get("additionalProperties")
    if isinstance(others, dict):
        for key in value.keys() - properties.keys():
            _fill_defaults(value[key], others, root)


def _key(path: Iterable[str | int]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "(top level)"


def _check_schema(config: Config, schema: Mapping[str, Any]) -> None:
    validator = Draft202012Validator(dict(schema))
    problems = []
    for error in sorted(validator.iter_errors(config), key=lambda e: list(map(str, e.path))):
        where = _key(error.absolute_path)
        if error.validator == "additionalProperties" and isinstance(error.instance, dict):
            known = error.schema.get("properties", {})
            for key in error.instance.keys() - known.keys():
                inside = _key([*error.absolute_path, key])
                problems.append(f"{inside}: unknown key; {nearest(str(key), known)}")
        elif error.validator == "pattern":
            problems.append(f"{where}: {error.instance!r} does not have the form that is needed")
        else:
            problems.append(f"{where}: {error.message}")
    if problems:
        raise ConfigError("config: " + "; ".join(dict.fromkeys(problems)))


def _check_names(config: Config) -> None:
    """Every name that the grid or a defence uses is defined in its section."""
    uses = [
        *((f"grid.{kind}", name, kind) for kind in _PART_KINDS for name in config["grid"][kind]),
        *(
            (f"grid.restricted.{classifier}", name, "defences")
            for classifier, names in config["grid"]["restricted"].items()
            for name in names
        ),
        *(("grid.restricted", name, "classifiers") for name in config["grid"]["restricted"]),
        ("surrogate.classifier", config["surrogate"]["classifier"], "classifiers"),
        ("realism.classifier", config["realism"]["classifier"], "classifiers"),
        *(
            (f"defences.{name}.autoencoder", defence["autoencoder"], "autoencoders")
            for name, defence in config["defences"].items()
            if defence["autoencoder"] is not None
        ),
        *(
            (f"attacks.{name}.{key}", attack[key], section)
            for name, attack in config["attacks"].items()
            for key, section in (("surrogate", "classifiers"), ("adaptive_to", "defences"))
            if attack[key] is not None
        ),
        *(
            (f"search.{kind}", name, kind)
            for kind in ("classifiers", "autoencoders")
            for name in config["search"][kind]
        ),
    ]
    for where, name, section in uses:
        if name not in config[section]:
            raise ConfigError(
                f"config: {where}: unknown {section[:-1]} {name!r}; "
                f"{nearest(name, config[section])}"
            )
    for name in config["grid"]["datasets"]:
        dataset = config["datasets"][name]
        if dataset["kind"] == "ember" and not dataset["path"]:
            raise ConfigError(
                f"config: datasets.{name}.path: no folder or archive of an EMBER release is given; "
                f"say `make run EMBER=folder` or --config 'datasets={{{name}: {{path: folder}}}}'"
            )


_PART_KINDS = ("datasets", "attacks", "defences", "classifiers")


# Who may be told what: the others are ranked as if they were told nothing.
_MAY_BE_TOLD = {"clean_rows": ("reference", "bound"), "poison": ("bound",)}


def _check_knowledge(config: Config) -> None:
    """The tier of a defence allows what it is told, and the sample holds it."""
    for name, defence in config["defences"].items():
        for key, tiers in _MAY_BE_TOLD.items():
            if defence["knowledge"][key] and defence["tier"] not in tiers:
                raise ConfigError(
                    f"config: defences.{name}.knowledge.{key}: a defence of tier "
                    f"{defence['tier']!r} is not told this; say tier: {' or '.join(tiers)}"
                )
    for name in config["grid"]["defences"]:
        needed = config["defences"][name]["knowledge"]["clean_rows"]
        if needed and not config["sample"]["clean_rows"]:
            raise ConfigError(
                f"config: defences.{name}.knowledge.clean_rows: the sample has none; set "
                "sample.clean_rows"
            )


def _check_grid(config: Config) -> None:
    """Every trigger fits its feature set and every poison rate comes to at least one row."""
    grid, sample = config["grid"], config["sample"]
    test_rows = sample["rows"] * sample["test_share"]
    if sample["rows"] % 2 or abs(test_rows / 2 - round(test_rows / 2)) > 1e-9:
        raise ConfigError(
            "config: sample: rows and rows x test_share must be even numbers, so that both classes "
            f"are equal in train and test; got rows {sample['rows']}, test rows {test_rows:g}"
        )
    train_rows = sample["rows"] - round(test_rows)
    for key in ("poison_rates", "fixed_poison_rate"):
        rates = grid[key] if isinstance(grid[key], list) else [grid[key]]
        for rate in rates:
            try:
                rate_code(rate)
            except ValueError as error:
                raise ConfigError(f"config: grid.{key}: {error}") from None
            if rate > 0 and poison_count(rate, train_rows) == 0:
                smallest = math.ceil(5_000 / train_rows) / 100
                raise ConfigError(
                    f"config: grid.{key}: {rate} % of {train_rows} training rows rounds to no "
                    f"row; the smallest rate that poisons one is {smallest:g} %"
                )
    for name in grid["attacks"]:
        _check_share(name, config["attacks"][name]["attacker_share"], train_rows)
    idle = set(grid["classifiers"]) - {classifier for _, classifier in defended_classifiers(grid)}
    for classifier in sorted(idle):
        raise ConfigError(
            f"config: grid.restricted.{classifier}: none of these defences is in grid.defences; "
            "add one there, or leave the classifier out of grid.classifiers"
        )
    versions = {config["datasets"][name]["version"] for name in grid["datasets"]}
    for name in grid["attacks"]:
        region = config["attacks"][name]["params"].get("region", "non_hashed")
        most = min(len(feature_layout(version).columns(region)) for version in versions)
        for key in ("trigger_sizes", "fixed_trigger_size"):
            sizes = grid[key] if isinstance(grid[key], list) else [grid[key]]
            if max(sizes) > most:
                raise ConfigError(
                    f"config: grid.{key}: a trigger of {max(sizes)} features does not fit the "
                    f"{most} features of region {region!r} (attacks.{name}); lower it or name a "
                    "larger region"
                )


def _check_share(attack: str, share: float, train_rows: int) -> None:
    """An attacker knows at least a row of each class, and paths can hold the share."""
    where = f"config: attacks.{attack}.attacker_share"
    try:
        known = poison_count(share, train_rows // 2)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None
    if not known:
        raise ConfigError(
            f"{where}: {share} % of {train_rows // 2} training rows of a class rounds to no row; "
            f"the smallest share that is one is {math.ceil(10_000 / train_rows) / 100:g} %"
        )
