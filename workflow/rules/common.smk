# What all stages share: the checked configuration, the grid, and the functions rules call.
# Parsing stays light: nothing here may import torch, pandas or scikit-learn, or write a file.
import math
import os.path
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

WORKFLOW = Path(workflow.basedir) / "workflow"
sys.path.insert(0, str(WORKFLOW))

from dokunuki.study.configuration import load_config
from dokunuki.corpus.release import release_files
from dokunuki.errors import DokunukiError
from dokunuki.study.grid import UNPOISONED, Cell, defended_classifiers, grid_cells
from dokunuki.parts.building import classes_of
from dokunuki.study.provenance import code_digests, offer_library
from dokunuki.study.rates import rate_code
from dokunuki.study.requests import read_requests

# Jobs find the library too, in whatever environment they run.
offer_library()

try:
    CONFIG = load_config(config, WORKFLOW / "schemas" / "config.schema.yaml")
    REQUESTS = read_requests(WORKFLOW / "resources.yaml")
    # Looked at here: where results exist already, Snakemake would pass over an input function's
    # error, and a mistyped path would show another corpus' results.
    for name in CONFIG["grid"]["datasets"]:
        if CONFIG["datasets"][name]["kind"] == "ember":
            release_files(CONFIG["datasets"][name]["path"])
except DokunukiError as error:
    raise WorkflowError(str(error)) from None

GRID = CONFIG["grid"]
CELLS = grid_cells(GRID)
DEFENDED = defended_classifiers(GRID)
# A trigger of size N is a prefix of the longest one, and the rows poisoned at a rate p are the first
# of those at the largest: both are computed once, so that a new N or p changes neither file.
LONGEST_TRIGGER = max(64, *GRID["trigger_sizes"], GRID["fixed_trigger_size"])
LARGEST_RATE = max(10, *GRID["poison_rates"], GRID["fixed_poison_rate"])

# Ids of attacked cells: the last four digits are p in steps of 0.01 percent. At p = 0 nothing is
# trained: see score_evasion.
POISONED = r"[a-z0-9-]+-n\d{3}-p(?!0000)\d{4}"

SIMULATED_FILES = [
    *(f"train_features_{part}.jsonl" for part in range(6)),
    "test_features.jsonl",
]
# What a simulated corpus is made from, besides its name and title.
SIMULATION_KEYS = (
    "families",
    "malware_share",
    "overlap",
    "rows",
    "seed",
    "variants",
    "vendors",
    "version",
)
PANELS = {
    "asr-over-n": "a: ASR over N",
    "asr-over-p": "b: ASR over p",
    "accuracy-over-n": "c: accuracy over N",
    "accuracy-over-p": "d: accuracy over p",
}

# How a training job asks for a GPU; a profile says what that means on its machine.
GPU = 0 if CONFIG["compute"]["device"] == "cpu" else 1
# Handed to jobs as resources: where a job ran is no part of what it computed. Rules that ask for no
# GPU say `device="cpu"`, since on a cluster they would find none, or another's.
DEVICE = CONFIG["compute"]["device"]
THREADS = CONFIG["compute"]["threads"]
# As configured: what auto means on a machine is like its device no part of what a job is asked for.
PRECISION = CONFIG["compute"]["precision"]

# About what a row takes in the files of a release, by their suffix: only sizes are known early.
ROW_BYTES = {".jsonl": 6000, ".bz2": 1400, ".dat": 9400}
# Of which seeds autoencoders stay when they were used, and of which they do not, as patterns.
FIRST, NO_SEED = GRID["seeds"][0], r"(?!)\d+"
KEPT_SEEDS, OTHER_SEEDS = {
    "all": (r"\d+", NO_SEED),
    "first_seed": (str(FIRST), rf"(?!{FIRST}\b)\d+"),
    "none": (NO_SEED, r"\d+"),
}[CONFIG["compute"]["keep_models"]]

# Minutes were measured for one epoch, and for this many SHAP samples.
MEASURED_SHAP_SAMPLES = 50
# Of a part whose parameters do not say: the most that any of ours has.
DEFAULT_EPOCHS = 30


wildcard_constraints:
    dataset="|".join(CONFIG["datasets"]),
    seed=r"\d+",
    attack="|".join(CONFIG["attacks"]),
    cell="|".join([POISONED, UNPOISONED]),
    defence="|".join(CONFIG["defences"]),
    autoencoder="|".join(CONFIG["autoencoders"]) or "none",
    classifier="|".join(CONFIG["classifiers"]),
    # A classifier and the share of the training rows that it sees, in steps of 0.01 percent.
    surrogate=rf"({'|'.join(CONFIG['classifiers'])})-\d{{5}}",


def part(section, name):
    """What makes a part of the benchmark what it is: its class and parameters, not its label."""
    entry = CONFIG[section][name]
    return {"name": name, "class": entry["class"], "params": entry["params"]}


def seed_of(purpose):
    """What a job's seed stands for: in `sample`, `poison` or `initialisation`."""

    def seed(wildcards):
        entry = CONFIG["seeds"].get(wildcards.seed, {})
        return entry.get(purpose, int(wildcards.seed))

    return seed


def code(rule_name, **parts):
    """Digests of the code that a rule's script reaches, and of the classes the config names."""
    entries = [
        CONFIG[section][name]
        for section, names in parts.items()
        for name in ([names] if isinstance(names, str) else names)
    ]
    classes = [path for entry in entries for path in classes_of(entry)]
    return code_digests(WORKFLOW / "scripts" / f"{rule_name}.py", *classes)


def cell_of(wildcards):
    """The grid cell of a job; also one outside the present grid that a user asks for by path."""
    if wildcards.cell in CELLS:
        return CELLS[wildcards.cell]
    attack, size, rate = wildcards.cell.rsplit("-", 2)
    return Cell(attack, int(size[1:]), int(rate[1:]) / 100)


def cell_extent(wildcards):
    """N and p of a job's cell, which take its part of the attack's poison."""
    if wildcards.cell == UNPOISONED:
        return {}
    cell = cell_of(wildcards)
    return {"size": cell.size, "rate_percent": float(cell.rate)}


def attack_folder(wildcards):
    seed = f"results/{wildcards.dataset}/seed-{wildcards.seed}"
    return f"{seed}/attacks/{cell_of(wildcards).attack}"


def trigger_of(wildcards):
    """The trigger file of a job's attack."""
    return f"{attack_folder(wildcards)}/trigger.json"


def poison_of(wildcards):
    """The poison of a job's attack; none for the unpoisoned cell."""
    unpoisoned = wildcards.cell == UNPOISONED
    return [] if unpoisoned else f"{attack_folder(wildcards)}/poison.h5"


def autoencoder_of(wildcards):
    """The autoencoder that the defence names, trained on this cell's rows, and its cost."""
    name = CONFIG["defences"][wildcards.defence]["autoencoder"]
    cell = wildcards.get("cell", UNPOISONED)
    stem = (
        f"results/{wildcards.dataset}/seed-{wildcards.seed}/{cell}/autoencoders/{name}"
    )
    return [f"{stem}.safetensors", f"{stem}.cost.json"] if name else []


# The detectors without poison that every trigger meets.
REFERENCES = [
    {
        "defence": part("defences", defence),
        "classifier": part("classifiers", classifier),
    }
    for defence, classifier in DEFENDED
]


def victim_spec(wildcards):
    name = CONFIG["defences"][wildcards.defence]["autoencoder"]
    ledger = CONFIG["defences"][wildcards.defence]["knowledge"]
    # What else the ledger says is for the reader, and makes nothing run again.
    told = {key: ledger[key] for key in ("clean_rows", "poison")}
    return {
        "defence": {**part("defences", wildcards.defence), "knowledge": told},
        "classifier": part("classifiers", wildcards.classifier),
        "autoencoder": part("autoencoders", name) if name else None,
    }


def victim_code(rule_name):
    """Digests of what a victim is made of."""

    def digests(wildcards):
        parts = {"defences": wildcards.defence, "classifiers": wildcards.classifier}
        if autoencoder := CONFIG["defences"][wildcards.defence]["autoencoder"]:
            parts["autoencoders"] = autoencoder
        return code(rule_name, **parts)

    return digests


def release_path(name):
    """Where a dataset's release lies: what the user named, or what is simulated."""
    dataset = CONFIG["datasets"][name]
    return dataset["path"] if dataset["kind"] == "ember" else f"results/{name}/release"


def raw_files(wildcards):
    """The release's files. A published one never changes: its sizes are compared, not its times."""
    name = wildcards.dataset
    if CONFIG["datasets"][name]["kind"] == "simulated":
        return [f"{release_path(name)}/{file}" for file in SIMULATED_FILES]
    try:
        return ancient(release_files(release_path(name)))
    except DokunukiError as error:
        raise WorkflowError(str(error)) from None


def corpus_spec(wildcards):
    """What decides the rows: the corpus, how it is read, and a published release's file sizes."""
    name = wildcards.dataset
    dataset = CONFIG["datasets"][name]
    spec = {
        "path": release_path(name),
        "version": dataset["version"],
        "bad_rows": CONFIG["corpus"]["bad_rows"],
    }
    if dataset["kind"] == "ember":
        spec["sizes"] = {
            file.name: file.stat().st_size for file in release_files(spec["path"])
        }
    return spec


def real_files(wildcards):
    """The files of the real rows; a clear error when none are given."""
    name = CONFIG["realism"]["real"]
    path = CONFIG["datasets"].get(name, {}).get("path")
    if not path:
        raise WorkflowError(
            f"config: datasets.{name}.path: the comparison needs real rows; "
            "say `make realism EMBER=folder`"
        )
    try:
        return ancient(release_files(path))
    except DokunukiError as error:
        raise WorkflowError(str(error)) from None


def attack_spec(wildcards):
    """What decides an attack's trigger and poison; its label and what tables say do not."""
    entry = CONFIG["attacks"][wildcards.attack]
    return {
        "attack": part("attacks", wildcards.attack),
        "rows": entry["rows"],
        "share": float(entry["attacker_share"]),
        "size": LONGEST_TRIGGER,
        "rate": LARGEST_RATE,
    }


def attack_surrogate(wildcards):
    """Name of the classifier that an attack's surrogate is."""
    own = CONFIG["attacks"][wildcards.attack]["surrogate"]
    return own or CONFIG["surrogate"]["classifier"]


def surrogate_folder(wildcards):
    """Where the surrogate of an attack and its explanations are."""
    share = rate_code(CONFIG["attacks"][wildcards.attack]["attacker_share"])
    seed = f"results/{wildcards.dataset}/seed-{wildcards.seed}"
    return f"{seed}/surrogates/{attack_surrogate(wildcards)}-{share:05d}"


def surrogate_classifier(wildcards):
    return wildcards.surrogate.rpartition("-")[0]


def surrogate_share(wildcards):
    """Percent of the training rows that a surrogate sees."""
    return int(wildcards.surrogate.rpartition("-")[2]) / 100


def surrogate_spec(wildcards):
    return part("classifiers", surrogate_classifier(wildcards))


def surrogate_code(rule_name):
    """Digests of what a surrogate is made of."""
    return lambda wildcards: code(
        rule_name, classifiers=surrogate_classifier(wildcards)
    )


def result_files(dataset, seed, cell, defence, classifier):
    """Where the scores of a row of the metrics table are, and what it took to train its detector.

    At p = 0 it is the reference detector that the trigger meets: nothing is trained.
    """
    folder = f"results/{dataset}/seed-{seed}"
    trained = cell["cell"] if cell["poison_rate"] else UNPOISONED
    result = f"{folder}/{trained}/{defence}/{classifier}"
    attacked = cell["cell"] != UNPOISONED
    return {
        "scores": f"{result}/scores.h5",
        "evasion": (
            f"{folder}/attacks/{cell['attack']}/evasion.h5" if attacked else None
        ),
        "cost": f"{result}/cost.json" if trained == cell["cell"] else None,
    }


def result_keys():
    """One entry per row of the metrics table, as plain values, in the order of the grid."""
    unpoisoned = [
        {"cell": UNPOISONED, "attack": "none", "trigger_size": 0, "poison_rate": 0.0}
    ]
    cells = unpoisoned + [
        {
            "cell": cell.id,
            "attack": cell.attack,
            "trigger_size": cell.size,
            "poison_rate": float(cell.rate),
        }
        for cell in CELLS.values()
    ]
    return [
        {
            "dataset": dataset,
            "corpus": CONFIG["datasets"][dataset]["kind"],
            "seed": seed,
            "defence": defence,
            "classifier": classifier,
            **cell,
            **result_files(dataset, seed, cell, defence, classifier),
        }
        for dataset in GRID["datasets"]
        for seed in GRID["seeds"]
        for cell in cells
        for defence, classifier in DEFENDED
    ]


def titles():
    """How figures and tables call things."""
    sections = ("attacks", "classifiers", "defences")
    labels = {
        section: {
            name: CONFIG[section][name]["label"] or name for name in GRID[section]
        }
        for section in sections
    }
    datasets = {
        name: CONFIG["datasets"][name]["title"] or name for name in GRID["datasets"]
    }
    return {"datasets": datasets, **labels}


def benchmark_study():
    """What the leaderboard compares, as plain values; see `Study` in evaluation/leaderboard.py."""
    labels = titles()
    for name in GRID["datasets"]:
        kind, title = CONFIG["datasets"][name]["kind"], labels["datasets"][name]
        if kind == "simulated" and "simulated" not in title.lower():
            labels["datasets"][name] = f"{title} (simulated corpus)"
    attacks = {
        name: {
            "label": label,
            "loud": CONFIG["attacks"][name]["loud"],
            "adaptive_to": CONFIG["attacks"][name]["adaptive_to"],
        }
        for name, label in labels["attacks"].items()
    }
    ledger = ("tier", "family", "paper", "knowledge")
    defences = {
        name: {
            "label": label,
            "dotted_path": CONFIG["defences"][name]["class"],
            "params": CONFIG["defences"][name]["params"],
            **{key: CONFIG["defences"][name][key] for key in ledger},
        }
        for name, label in labels["defences"].items()
    }
    return {
        "datasets": labels["datasets"],
        "attacks": attacks,
        "defences": defences,
        "classifiers": labels["classifiers"],
        "seeds": GRID["seeds"],
        "cells": [
            [cell.attack, cell.size, float(cell.rate)] for cell in CELLS.values()
        ],
        "restricted": GRID["restricted"],
        "not_applicable": CONFIG["benchmark"]["not_applicable"],
    }


def panel_figure(panel):
    """A panel's SVG with its place in the report."""
    return report(
        f"results/figures/{{dataset}}/{{classifier}}/{{attack}}/{panel}.svg",
        caption="../report/panel.rst",
        category="Panels",
        subcategory="{attack}",
        labels={
            "dataset": "{dataset}",
            "classifier": "{classifier}",
            "attack": "{attack}",
            "panel": PANELS[panel],
        },
    )


def sample_rows(wildcards):
    keys = ("rows", "validation_malware", "calibration_rows", "clean_rows")
    return sum(CONFIG["sample"][key] for key in keys)


def corpus_rows(wildcards):
    """How many rows the corpus has, of a published release roughly."""
    dataset = CONFIG["datasets"][wildcards.dataset]
    if dataset["kind"] == "simulated":
        return dataset["rows"]
    files = release_files(dataset["path"])
    return sum(
        file.stat().st_size / ROW_BYTES.get(file.suffix, min(ROW_BYTES.values()))
        for file in files
    )


def memory(rule_name, rows=sample_rows):
    """`mem_mb` of a rule: what workflow/resources.yaml says for so many rows, per attempt.

    No parameter of the rule, so that other requests make nothing run again.
    """
    return lambda wildcards, attempt: REQUESTS[rule_name].memory(
        rows(wildcards), attempt
    )


def minutes(rule_name, rows=sample_rows, times=lambda wildcards: 1):
    """`runtime` of a rule, likewise; `times` says how often the measured work is done."""
    return lambda wildcards, attempt: REQUESTS[rule_name].runtime(
        rows(wildcards), attempt, times(wildcards)
    )


def vectorising_minutes(wildcards, attempt):
    """An archive is read through for the rows drawn, as it was for the index."""
    reading = minutes("index_corpus", rows=corpus_rows)(wildcards, attempt)
    return reading + minutes("vectorise_rows")(wildcards, attempt)


def planting_minutes(wildcards, attempt):
    """An attack may train models of its own before it chooses."""
    trainings = CONFIG["attacks"][wildcards.attack]["trainings"]
    training = minutes(
        "train_surrogate",
        times=lambda wildcards: trainings
        * epochs("classifiers", attack_surrogate(wildcards)),
    )
    choosing = minutes("plant_trigger")(wildcards, attempt)
    return choosing + (training(wildcards, attempt) if trainings else 0)


def epochs(section, name):
    """How often a part goes through its rows."""
    return CONFIG[section][name]["params"].get("epochs", DEFAULT_EPOCHS)


def victim_epochs(wildcards):
    """Epochs of all trainings that a defended classifier takes."""
    trainings = CONFIG["defences"][wildcards.defence]["trainings"]
    return trainings * epochs("classifiers", wildcards.classifier)


def surrogate_epochs(wildcards):
    return epochs("classifiers", surrogate_classifier(wildcards))


def search_epochs(wildcards):
    """Epochs of all trainings of a search."""
    return sum(
        math.prod(map(len, values.values()))
        * max(values.get("epochs", [epochs(wildcards.kind, name)]))
        for name, values in CONFIG["search"][wildcards.kind].items()
    )


def check_gpu():
    """Stop before any job when a GPU is asked for on this machine and there is none."""
    executor = workflow.executor_plugin
    runs_here = executor is None or executor.common_settings.local_exec
    if CONFIG["compute"]["device"] == "cuda" and runs_here:
        from dokunuki.networks.devices import check_device

        try:
            check_device("cuda")
        except DokunukiError as error:
            raise WorkflowError(str(error)) from None
