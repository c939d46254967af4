"""The configuration: defaults from the schema, and errors that name the key and the mend."""

from __future__ import annotations

import copy
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from jsonschema import Draft202012Validator

from dokunuki.errors import ConfigError
from dokunuki.parts.building import MissingPackageError, build
from dokunuki.storage.yaml_text import KeyTwiceError
from dokunuki.study.catalogue import (
    KINDS,
    autoencoder_of,
    changed_entry,
    expand_tags,
    nearest,
    read_catalogue,
    read_yaml,
    resolve_extends,
    steps_of,
)
from dokunuki.study.datasets import layout_of, used_datasets
from dokunuki.study.grid import all_grids, defended_classifiers
from dokunuki.study.programs import check_programs
from dokunuki.study.rates import poison_count, rate_code
from dokunuki.study.samples import sample_spec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dokunuki.corpus.layout import FeatureLayout

Config = dict[str, Any]


def load_config(raw: Mapping[str, Any], workflow: str | Path) -> Config:
    """Check a configuration, join it with the catalogue and fill in the schema's defaults.

    `raw` is what Snakemake merged from config.yaml, overlays and the command line; it is not
    changed. `workflow` is the folder that holds `schemas` and `catalogue`. In what comes back the
    sections of methods hold all of the catalogue with the overlays' changes, every `extends` and
    every tag resolved. Raises ConfigError, naming the key, and the file where it is one of the
    catalogue's, for an unknown key, a value of the wrong type or range, a name that the grid uses
    and no section defines, and a grid that the sample or an attack cannot hold.
    """
    workflow = Path(workflow)
    schema = read_yaml(workflow / "schemas" / "config.schema.yaml")
    config: Config = _typed(copy.deepcopy(dict(raw)), schema, schema)
    files = _join_catalogue(config, workflow / "catalogue")
    _fill_defaults(config, schema, schema)
    if isinstance(config["seeds"], dict):
        # YAML reads them as numbers, and the wildcards of a path are text.
        config["seeds"] = {str(seed): entry for seed, entry in config["seeds"].items()}
    _check_schema(config, schema, files)
    _complete_further_grids(config, schema)
    _expand_tags(config)
    _check_names(config)
    _check_ledgers(config)
    for where, grid in all_grids(config).items():
        _check_grid(config, where, grid)
    _check_search(config)
    return config


def check_files(files: Iterable[str | Path]) -> None:
    """Refuse a key that stands twice in a file of the configuration: Snakemake takes the last.

    Raises ConfigError with file and line. Files that are not YAML are Snakemake's to judge.
    """
    for file in filter(os.path.isfile, files):
        try:
            read_yaml(file)
        except ConfigError as error:
            if isinstance(error.__cause__, KeyTwiceError):
                raise


def catalogue_folders(raw: Mapping[str, Any]) -> list[str]:
    """The user's own folders of the catalogue, as the configuration names them."""
    folders = raw.get("catalogue", [])
    listed = [folders] if isinstance(folders, str) else folders
    if not (isinstance(listed, list) and all(isinstance(folder, str) for folder in listed)):
        raise ConfigError(
            f"config: catalogue: {folders!r} is not a list of folders; write [folder]"
        )
    return [os.path.expanduser(folder) for folder in listed]  # noqa: PTH111 - paths stay relative


def _join_catalogue(config: Config, library: Path) -> Mapping[tuple[str, str], Path]:
    """Put the catalogue under the sections of methods; the files of entries left as they are."""
    config["catalogue"] = catalogue_folders(config)
    catalogue, files = read_catalogue([library, *config["catalogue"]])
    for kind in KINDS:
        overlay = config.get(kind) or {}
        if not (isinstance(overlay, dict) and all(isinstance(e, dict) for e in overlay.values())):
            continue  # the schema says what is wrong
        section = {
            name: changed_entry(entry, overlay.get(name, {}))
            for name, entry in catalogue[kind].items()
        }
        section |= {name: entry for name, entry in overlay.items() if name not in section}
        config[kind] = resolve_extends(section, kind)
        for name in overlay:
            # What an overlay changed may be the overlay's fault.
            files.pop((kind, name), None)
    return files


def _complete_further_grids(config: Config, schema: Mapping[str, Any]) -> None:
    """What a further grid does not say is as in the grid; both are checked alike."""
    node = schema["properties"]["grid"]
    for name, entry in config["further_grids"].items():
        # Which defences a classifier is restricted to is said anew, since they may be others.
        grid = {**config["grid"], "restricted": {}, **_typed(entry, node, schema)}
        config["further_grids"][name] = copy.deepcopy(grid)
        problems = [
            f"further_grids.{name}.{_key(error.absolute_path)}: {error.message}"
            for error in Draft202012Validator({**node, "$defs": schema["$defs"]}).iter_errors(grid)
        ]
        if problems:
            raise ConfigError("config: " + "; ".join(problems))


def _expand_tags(config: Config) -> None:
    for key, grid in all_grids(config).items():
        for kind in ("attacks", "defences", "classifiers"):
            grid[kind] = expand_tags(grid[kind], config[kind], f"{key}.{kind}")
        for classifier, names in grid["restricted"].items():
            where = f"{key}.restricted.{classifier}"
            grid["restricted"][classifier] = expand_tags(names, config["defences"], where)


def used_methods(config: Config) -> Config:
    """The configuration with those entries of attacks, defences and models that its grids use."""
    named: dict[str, list[str]] = {
        kind: [name for grid in all_grids(config).values() for name in grid[kind]]
        for kind in ("attacks", "defences", "classifiers")
    }
    steps = [step for name in named["defences"] for step in steps_of(config["defences"], name)]
    defences = dict.fromkeys([*named["defences"], *steps])
    own = (config["attacks"][name]["surrogate"] for name in named["attacks"])
    used: dict[str, Iterable[str | None]] = {
        "attacks": named["attacks"],
        "defences": defences,
        "autoencoders": [autoencoder_of(config["defences"], name) for name in defences],
        "classifiers": [*named["classifiers"], config["surrogate"]["classifier"], *own],
    }
    return config | {
        kind: {name: config[kind][name] for name in dict.fromkeys(names) if name is not None}
        for kind, names in used.items()
    }


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


def _check_schema(
    config: Config, schema: Mapping[str, Any], files: Mapping[tuple[str, str], Path]
) -> None:
    validator = Draft202012Validator(dict(schema))
    problems = []
    for error in sorted(validator.iter_errors(config), key=lambda e: list(map(str, e.path))):
        path = list(error.absolute_path)
        file = files.get((str(path[0]), str(path[1]))) if len(path) > 1 else None
        source = f" ({file})" if file else ""
        where = _key(path) + source
        if error.validator == "additionalProperties" and isinstance(error.instance, dict):
            known = error.schema.get("properties", {})
            for key in error.instance.keys() - known.keys():
                inside = _key([*path, key]) + source
                problems.append(f"{inside}: unknown key; {nearest(str(key), known)}")
        elif error.validator == "pattern":
            form = error.schema.get("description", error.validator_value)
            problems.append(f"{where}: {error.instance!r} does not have the right form: {form}")
        else:
            problems.append(f"{where}: {error.message}")
    if problems:
        raise ConfigError("config: " + "; ".join(dict.fromkeys(problems)))


def _check_names(config: Config) -> None:
    """Every name that the grid or a defence uses is defined in its section."""
    grids = all_grids(config)
    uses = [
        *(
            (f"{key}.{kind}", name, kind)
            for key, grid in grids.items()
            for kind in _PART_KINDS
            for name in grid[kind]
        ),
        *(
            (f"{key}.restricted.{classifier}", name, "defences")
            for key, grid in grids.items()
            for classifier, names in grid["restricted"].items()
            for name in names
        ),
        *(
            (f"{key}.restricted", name, "classifiers")
            for key, grid in grids.items()
            for name in grid["restricted"]
        ),
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
        *(("audit.feed", name, "datasets") for name in [config["audit"]["feed"]] if name),
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
    for name, defence in config["defences"].items():
        if ("class" in defence) == ("steps" in defence):
            raise ConfigError(f"config: defences.{name}: needs either a class or steps")
        autoencoder_of(config["defences"], name)
    for name in used_datasets(config):
        dataset = config["datasets"][name]
        if dataset["file_types"] and dataset["version"] != 3:
            raise ConfigError(
                f"config: datasets.{name}.file_types: only rows of version 3 have a file type; set "
                f"version: 3, or leave file_types out"
            )
        if dataset["kind"] == "programs":
            check_programs(name, dataset)
        if dataset["kind"] == "ember" and not dataset["path"]:
            raise ConfigError(
                f"config: datasets.{name}.path: no folder or archive of an EMBER release is given; "
                f"use `make run EMBER=folder` or --config 'datasets={{{name}: {{path: folder}}}}'"
            )
        _check_rows(name, dataset)


def _check_rows(name: str, dataset: Mapping[str, Any]) -> None:
    """What is said of own rows stands in an entry of own rows."""
    where = f"config: datasets.{name}"
    if dataset["kind"] == "rows":
        if not dataset["path"]:
            raise ConfigError(f"{where}.path: is missing; set it to the table that holds the rows")
        return
    for key in ("label", "id", "layout", "simulated"):
        if dataset[key]:
            raise ConfigError(
                f"{where}.{key}: goes with kind: rows only; set kind: rows, or leave {key} out"
            )


_PART_KINDS = ("datasets", "attacks", "defences", "classifiers")


# Who may be told what: the others are ranked as if they were told nothing.
_MAY_BE_TOLD = {"clean_rows": ("clean-rows", "bound"), "poison": ("bound",)}


def _check_ledgers(config: Config) -> None:
    """The tier of a defence allows what it is told, and the sample holds it."""
    for name, defence in config["defences"].items():
        for key, tiers in _MAY_BE_TOLD.items():
            if defence["ledger"][key] and defence["tier"] not in tiers:
                raise ConfigError(
                    f"config: defences.{name}.ledger.{key}: a defence of tier "
                    f"{defence['tier']!r} may not be given this; set tier: {' or '.join(tiers)}"
                )
            if defence["ledger"][key] and defence["chooses_rows"]:
                raise ConfigError(
                    f"config: defences.{name}.chooses_rows: must be false, since its ledger says "
                    f"{key}: true; rows are chosen without being told anything"
                )
    for grid in all_grids(config).values():
        for name in grid["defences"]:
            needed = config["defences"][name]["ledger"]["clean_rows"]
            if needed and not all(
                sample_spec(config, dataset)["clean_rows"] for dataset in grid["datasets"]
            ):
                raise ConfigError(
                    f"config: defences.{name}.ledger.clean_rows: the sample has none; set "
                    "sample.clean_rows"
                )


def _train_rows(config: Config, dataset: str) -> int:
    """How many rows are trained on; raises ConfigError for a sample that cannot be halved."""
    sample = sample_spec(config, dataset)
    where = f"datasets.{dataset}.sample" if config["datasets"][dataset]["sample"] else "sample"
    test_rows = sample["rows"] * sample["test_share"]
    if sample["rows"] % 2 or abs(test_rows / 2 - round(test_rows / 2)) > 1e-9:
        raise ConfigError(
            f"config: {where}: rows and rows x test_share must be even numbers, so that both "
            f"classes are equal in train and test; got rows {sample['rows']}, test rows "
            f"{test_rows:g}"
        )
    return int(sample["rows"] - round(test_rows))


def _check_grid(config: Config, where: str, grid: Mapping[str, Any]) -> None:
    """Every trigger fits its feature set and every poison rate comes to at least one row."""
    train_rows = min(_train_rows(config, dataset) for dataset in grid["datasets"])
    for key in ("poison_rates", "fixed_poison_rate"):
        rates = grid[key] if isinstance(grid[key], list) else [grid[key]]
        for rate in rates:
            try:
                rate_code(rate)
            except ValueError as error:
                raise ConfigError(f"config: {where}.{key}: {error}") from None
            if rate > 0 and poison_count(rate, train_rows) == 0:
                smallest = math.ceil(5_000 / train_rows) / 100
                raise ConfigError(
                    f"config: {where}.{key}: {rate} % of {train_rows} training rows rounds to no "
                    f"row; the smallest rate that poisons one is {smallest:g} %"
                )
    for name in grid["attacks"]:
        _check_share(name, config["attacks"][name]["attacker_share"], train_rows)
    idle = set(grid["classifiers"]) - {classifier for _, classifier in defended_classifiers(grid)}
    for classifier in sorted(idle):
        raise ConfigError(
            f"config: {where}.restricted.{classifier}: none of these defences is in "
            f"{where}.defences; add one there, or leave the classifier out of {where}.classifiers"
        )
    layouts = [layout_of(config, name) for name in grid["datasets"]]
    sizes = {
        "trigger_sizes": max(grid["trigger_sizes"]),
        "fixed_trigger_size": grid["fixed_trigger_size"],
    }
    for name in grid["attacks"]:
        most = min(
            (longest_trigger(config["attacks"][name], name, layout) for layout in layouts),
            default=math.inf,
        )
        for key, size in sizes.items():
            if size > most:
                raise ConfigError(
                    f"config: {where}.{key}: a trigger of {size} features does not fit the {most} "
                    f"features that attacks.{name} can set; lower it, or choose a larger region "
                    "where the attack has one"
                )


def _check_search(config: Config) -> None:
    """What a search chooses is not chosen on rows that the grid measures by."""
    search = config["search"]
    if not (search["classifiers"] or search["autoencoders"]):
        return
    used = [seed for grid in all_grids(config).values() for seed in grid["seeds"]]
    measured, searched = (
        {config["seeds"].get(str(seed), {}).get("sample", seed) for seed in seeds}
        for seeds in (used, search["seeds"])
    )
    if shared := sorted(measured & searched):
        raise ConfigError(
            f"config: search.seeds: the rows of seed {shared[0]} are those of a seed of the grid; "
            "settings chosen on them would favour its results; name other seeds"
        )


def longest_trigger(attack: Mapping[str, Any], name: str, layout: FeatureLayout) -> float:
    """The most features that an entry of attacks can set in rows of a layout, as its class says.

    Infinity where the class needs a package that is not installed here: jobs may run in another
    environment, and ask again. Raises ConfigError, naming the entry, for a class that is none or
    does not take the entry's parameters.
    """
    try:
        made = build(attack["class"], attack["params"])
        longest: int = made.longest(layout)
    except MissingPackageError:
        return math.inf
    except ConfigError as error:
        raise ConfigError(f"config: attacks.{name}: {error}") from error
    except AttributeError:
        raise ConfigError(
            f"config: attacks.{name}: {attack['class']} has no method longest(layout), which says "
            "how many features its longest trigger has; see dokunuki.attacks.protocol"
        ) from None
    return longest


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
