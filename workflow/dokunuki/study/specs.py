"""What jobs are given of the configuration: the leaves that they depend on, as plain values.

Labels, tags and what a ledger says for the reader are in no spec: they make nothing run again.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

from dokunuki.corpus.layout_record import layout_record
from dokunuki.corpus.release import release_files
from dokunuki.corpus.table_files import table_files, table_kind
from dokunuki.errors import ConfigError
from dokunuki.parts.building import classes_of
from dokunuki.study.catalogue import autoencoder_of, choosing_steps_of, steps_of
from dokunuki.study.datasets import corpus_of, given_files, layout_of
from dokunuki.study.grid import attack_cells, defended_classifiers, grids_of
from dokunuki.study.programs import program_count
from dokunuki.study.rates import rate_code

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from dokunuki.study.configuration import Config

SIMULATED_FILES = (
    *(f"train_features_{part}.jsonl" for part in range(6)),
    "test_features.jsonl",
)

# What a simulated corpus is made from, besides its name and title.
_SIMULATION_KEYS = (
    "families",
    "malware_share",
    "overlap",
    "rows",
    "seed",
    "variants",
    "vendors",
    "version",
)
# About what a row takes in the files of a release, by their suffix: only sizes are known early.
_ROW_BYTES = {
    ".jsonl": 6000,
    ".tar": 6000,
    ".zip": 1800,
    ".gz": 1800,
    ".zst": 1600,
    ".bz2": 1400,
    ".xz": 1100,
    ".dat": 9400,
}
# About what a number takes in a table, by its kind: as written, or packed.
_CELL_BYTES = {"npy": 4.0, "csv": 3.0, "tsv": 3.0, "feather": 2.0, "arrow": 2.0}
_PACKED_CELL_BYTES = 0.5
# Of 6 to 10 KB each. More cores than these read faster than most disks.
_MANY_ROWS = 45_000
_SCAN_THREADS = 4
# Of a part whose parameters do not say: the most that any of ours has.
_DEFAULT_EPOCHS = 30
_NETWORKS = ("embernn",)
# Minutes were measured for one epoch, and for this many SHAP samples.
_MEASURED_SHAP_SAMPLES = 50
# How much longer than our own explainer the shap package takes, at most; `make bench` measures it.
_SHAP_PACKAGE_TIMES = 5


def part_spec(config: Config, kind: str, name: str) -> dict[str, Any]:
    """What makes a method what it is: its class and parameters, not its label.

    Parameters are sorted by name: the order in which a file lists them makes nothing run again.
    """
    entry = config[kind][name]
    return {"name": name, "class": entry["class"], "params": _sorted(entry["params"])}


def _sorted(value: Any) -> Any:  # noqa: ANN401 - any value of YAML
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(each) for each in value] if isinstance(value, list) else value


def defence_spec(config: Config, name: str) -> dict[str, Any]:
    """A defence's steps (class and params each) and what it is told."""
    ledger = config["defences"][name]["ledger"]
    return {
        "name": name,
        "steps": _step_specs(config, steps_of(config["defences"], name)),
        "told": {key: ledger[key] for key in ("clean_rows", "poison")},
    }


def _step_specs(config: Config, steps: Iterable[str]) -> list[dict[str, Any]]:
    specs = [part_spec(config, "defences", step) for step in steps]
    return [{"class": spec["class"], "params": spec["params"]} for spec in specs]


def row_choice_spec(config: Config, defence: str) -> dict[str, Any]:
    """What chooses the rows of a defence: those of its first steps that do only that."""
    return {
        "name": defence,
        "steps": _step_specs(config, choosing_steps_of(config["defences"], defence)),
        "several_steps": len(steps_of(config["defences"], defence)) > 1,
    }


def detector_spec(config: Config, defence: str, classifier: str) -> dict[str, Any]:
    """A defended classifier, with the autoencoder that the defence uses, or None."""
    autoencoder = autoencoder_of(config["defences"], defence)
    return {
        "defence": defence_spec(config, defence),
        "classifier": part_spec(config, "classifiers", classifier),
        "autoencoder": part_spec(config, "autoencoders", autoencoder) if autoencoder else None,
    }


def evasion_detectors(
    config: Config, dataset: str, seed: int, attack: str
) -> list[tuple[str, str]]:
    """Which unpoisoned detectors an attack's triggers meet, (defence, classifier)."""
    pairs = (
        pair
        for grid in grids_of(config, attack, dataset, seed)
        for pair in defended_classifiers(grid)
    )
    return list(dict.fromkeys(pairs))


def evasion_spec(config: Config, dataset: str, seed: int, attack: str) -> dict[str, Any]:
    """What `score_evasion` scores: the detectors of `evasion_detectors`, and the sizes N."""
    grids = grids_of(config, attack, dataset, seed)
    return {
        "detectors": [
            {
                "defence": defence_spec(config, defence),
                "classifier": part_spec(config, "classifiers", classifier),
            }
            for defence, classifier in evasion_detectors(config, dataset, seed, attack)
        ],
        "sizes": sorted({cell.size for grid in grids for cell in attack_cells(grid, attack)}),
    }


def method_classes(config: Config, kind: str, names: Iterable[str]) -> list[str]:
    """The dotted paths of the classes that entries name, also those of a defence's steps."""
    entries = [
        config[kind][step]
        for name in names
        for step in (steps_of(config[kind], name) if kind == "defences" else [name])
    ]
    return [path for entry in entries for path in classes_of(entry)]


def longest_trigger_size(config: Config, attack: str) -> int:
    """N of the trigger that is chosen: a smaller one is a prefix of it, and chosen with it."""
    grids = grids_of(config, attack)
    sizes = (
        size for grid in grids for size in (*grid["trigger_sizes"], grid["fixed_trigger_size"])
    )
    return int(max([64, *sizes]))


def largest_poison_rate(config: Config, attack: str) -> float:
    """P of the rows that are planted: those of a smaller one are the first of them."""
    grids = grids_of(config, attack)
    rates = (rate for grid in grids for rate in (*grid["poison_rates"], grid["fixed_poison_rate"]))
    return float(max([10, *rates]))


def attack_spec(config: Config, name: str) -> dict[str, Any]:
    """What decides an attack's trigger and poison."""
    entry = config["attacks"][name]
    return {
        "attack": part_spec(config, "attacks", name),
        "rows": entry["rows"],
        "share": float(entry["attacker_share"]),
        "size": longest_trigger_size(config, name),
        "rate": largest_poison_rate(config, name),
    }


def surrogate_of(config: Config, attack: str) -> str:
    """Name of the classifier that an attack's surrogate is."""
    own: str | None = config["attacks"][attack]["surrogate"]
    return own or str(config["surrogate"]["classifier"])


def surrogate_id(config: Config, attack: str) -> str:
    """For paths, a classifier and the share of the rows that it sees: embernn-10000 for all."""
    share = rate_code(config["attacks"][attack]["attacker_share"])
    return f"{surrogate_of(config, attack)}-{share:05d}"


def split_surrogate_id(surrogate: str) -> tuple[str, float]:
    """The classifier, and the percent of the training rows that it sees, of a `surrogate_id`."""
    classifier, _, share = surrogate.rpartition("-")
    return classifier, int(share) / 100


def job_seed(config: Config, seed: str, purpose: str) -> int:
    """What a seed of the grid stands for: in `sample`, `poison` or `initialisation`."""
    return int(config["seeds"].get(seed, {}).get(purpose, seed))


def release_path(config: Config, dataset: str) -> str:
    """Where a dataset's release lies: what the user named, or what is simulated or extracted."""
    entry = config["datasets"][dataset]
    made = {"simulated": f"results/{dataset}/release", "programs": f"results/{dataset}/programs"}
    return str(made.get(entry["kind"], entry["path"]))


def corpus_spec(config: Config, dataset: str) -> dict[str, Any]:
    """What decides the rows: the corpus, how it is read, and a published release's file sizes.

    Raises CorpusError when the release is not there.
    """
    spec = {
        "path": release_path(config, dataset),
        "version": config["datasets"][dataset]["version"],
        "bad_rows": config["corpus"]["bad_rows"],
    }
    if config["datasets"][dataset]["kind"] == "rows":
        return spec | _own_rows_spec(config, dataset)
    if config["datasets"][dataset]["version"] == 3:
        spec["file_types"] = config["datasets"][dataset]["file_types"]
    if config["datasets"][dataset]["kind"] == "ember":
        spec["sizes"] = _sizes(release_files(spec["path"]))
    return spec


def unpacking_spec(config: Config, dataset: str) -> dict[str, Any]:
    """What decides the raw rows that are kept of a packed release; raises as `corpus_spec`."""
    spec = corpus_spec(config, dataset)
    return {key: spec[key] for key in ("path", "file_types", "sizes") if key in spec}


def _sizes(files: Sequence[Path]) -> dict[str, int]:
    # Weekly files may lie in several folders under the same name.
    names = {file.name for file in files}
    return {
        file.name if len(names) == len(files) else str(file): file.stat().st_size for file in files
    }


def _own_rows_spec(config: Config, dataset: str) -> dict[str, Any]:
    """What decides how a table of own rows is read: its layout, and which columns tell what."""
    entry = config["datasets"][dataset]
    layout = layout_record(layout_of(config, dataset))
    return {"layout": layout, "label": entry["label"], "sample_id": entry["id"]}


def vectors_spec(config: Config, dataset: str) -> dict[str, Any]:
    """What decides how drawn rows become vectors."""
    entry = config["datasets"][dataset]
    spec = {
        "path": release_path(config, dataset),
        "version": entry["version"],
        "kind": corpus_of(config, dataset),
        "vectoriser": config["corpus"]["vectoriser"],
    }
    return spec | (_own_rows_spec(config, dataset) if entry["kind"] == "rows" else {})


def simulation_spec(config: Config, dataset: str, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """What a simulated corpus is made from, with changes; None for what the dataset lacks."""
    entry = config["datasets"].get(dataset, {})
    return {key: entry.get(key) for key in _SIMULATION_KEYS} | changes


def real_rows(config: Config) -> list[Path]:
    """The files of the real rows that a simulated corpus is held against.

    Raises ConfigError when none are given, CorpusError when they are not there.
    """
    name = config["realism"]["real"]
    path = config["datasets"].get(name, {}).get("path")
    if not path:
        raise ConfigError(
            f"config: datasets.{name}.path: the comparison needs real rows; "
            "use `make realism EMBER=folder`"
        )
    return list(release_files(path))


def realism_spec(config: Config) -> dict[str, Any]:
    """The real rows that a simulated corpus is held against, and the network that tells."""
    wanted = config["realism"]
    real = config["datasets"].get(wanted["real"], {})
    return {
        "real": wanted["real"],
        "real_path": real.get("path"),
        "real_rows": wanted["real_rows"],
        "version": real.get("version"),
        "file_types": real.get("file_types"),
        "classifier": part_spec(config, "classifiers", wanted["classifier"]),
    }


def searched_specs(config: Config, kind: str) -> list[dict[str, Any]]:
    """All settings that a search tries, in the order of the configuration: name, class, params.

    The parameters of a combination stand by name, and the last one varies fastest.
    """
    return [
        {**(part := part_spec(config, kind, name)), "params": {**part["params"], **settings}}
        for name, blocks in config["search"][kind].items()
        for settings in _combinations(blocks)
    ]


def _combinations(blocks: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - one block, or a list
    return [
        dict(zip(sorted(block), values, strict=True))
        for block in (blocks if isinstance(blocks, list) else [blocks])
        for values in product(*(block[name] for name in sorted(block)))
    ]


def trial_spec(config: Config, kind: str, tried: Mapping[str, Any]) -> dict[str, Any]:
    """What one trial of a search is told: which settings, and for autoencoders the classifiers.

    These are the ones that were searched, or the surrogate's where none were.
    """
    classifiers = config["search"]["classifiers"] or [config["surrogate"]["classifier"]]
    if kind == "classifiers":
        return dict(tried)
    return {**tried, "classifiers": {c: part_spec(config, "classifiers", c) for c in classifiers}}


def search_methods(config: Config, kind: str) -> dict[str, list[str]]:
    """The entries whose classes a trial of that kind builds, by section."""
    spec = trial_spec(config, kind, {})
    searched = {kind: list(config["search"][kind])}
    return searched | {key: list(names) for key, names in spec.items()}


def audit_spec(config: Config) -> dict[str, Any]:
    """What decides an audit beside its rows: results of networks depend on their threads too."""
    wanted = config["audit"]
    spec = {"detector": wanted["detector"], "seed": wanted["seed"]}
    return spec | (
        {"threads": config["compute"]["threads"]} if spec["detector"] in _NETWORKS else {}
    )


def corpus_rows(config: Config, dataset: str) -> float:
    """How many rows a corpus has, of a published release roughly."""
    entry = config["datasets"][dataset]
    if entry["kind"] == "simulated":
        return float(entry["rows"])
    if entry["kind"] == "rows":
        width = layout_of(config, dataset).width
        tables = table_files(entry["path"])
        return sum(file.stat().st_size / _cell_bytes(file) / width for file in tables)
    if entry["kind"] == "programs":
        return float(program_count(entry))
    files = given_files(config, dataset)
    fewest = min(_ROW_BYTES.values())
    return sum(file.stat().st_size / _ROW_BYTES.get(file.suffix, fewest) for file in files)


def scan_threads(config: Config, dataset: str) -> int:
    """Cores for the scan of a dataset's rows, where they lie in plain files of JSON lines.

    From about as many rows on as are worth the start of workers, see `scan_parts` of
    `corpus.scanning`; below, and for tables and memory maps, a single one.
    """
    kind = config["datasets"][dataset]["kind"]
    if kind == "ember":
        plain = all(file.suffix == ".jsonl" for file in given_files(config, dataset))
    else:
        plain = kind != "rows"
    return _SCAN_THREADS if plain and corpus_rows(config, dataset) >= _MANY_ROWS else 1


def _cell_bytes(file: Path) -> float:
    kind = table_kind(file)
    return _CELL_BYTES.get(kind or "", _PACKED_CELL_BYTES)


def epochs(config: Config, kind: str, name: str) -> int:
    """How often a network goes through its rows, for requests of time."""
    return int(config[kind][name]["params"].get("epochs", _DEFAULT_EPOCHS))


def victim_epochs(config: Config, defence: str, classifier: str) -> float:
    """Epochs of all trainings that a defended classifier takes."""
    trainings: float = config["defences"][defence]["trainings"]
    return trainings * epochs(config, "classifiers", classifier)


def attack_epochs(config: Config, attack: str) -> float:
    """Epochs of all trainings that an attack does by itself before it chooses."""
    trainings: float = config["attacks"][attack]["trainings"]
    return trainings * epochs(config, "classifiers", surrogate_of(config, attack))


def trial_epochs(config: Config, kind: str) -> int:
    """The most epochs of one trial of a search: two classifiers, and an autoencoder before them."""
    tried = searched_specs(config, kind)
    longest = max(int(spec["params"].get("epochs", _DEFAULT_EPOCHS)) for spec in tried)
    if kind == "classifiers":
        return 2 * longest
    return longest + (
        trial_epochs(config, "classifiers")
        if config["search"]["classifiers"]
        else 2 * epochs(config, "classifiers", config["surrogate"]["classifier"])
    )


def shap_share(config: Config) -> float:
    """The work of an explanation as a share of that which minutes were measured for."""
    surrogate = config["surrogate"]
    times = _SHAP_PACKAGE_TIMES if surrogate["explainer"] == "shap" else 1
    return times * float(surrogate["shap_samples"]) / _MEASURED_SHAP_SAMPLES
