# What all stages share: the checked configuration, and the functions of wildcards that rules call.
# What needs no wildcards is in the library, workflow/dokunuki/study, typed and tested. Parsing stays
# light: nothing here may import torch, pandas or scikit-learn, or write a file.
import os.path
import re
import sys
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError

# Of this file: as a module of another workflow, `workflow.basedir` is that one's folder.
WORKFLOW = Path(str(workflow.current_basedir)).parent
sys.path.insert(0, str(WORKFLOW))

from dokunuki.audit.canaries import planned
from dokunuki.corpus.release import is_packed
from dokunuki.errors import DokunukiError
from dokunuki.study import batches, configuration, programs, results, samples, specs
from dokunuki.study.catalogue import autoencoder_of, choosing_steps_of
from dokunuki.study.datasets import given_files, used_datasets
from dokunuki.study.grid import UNPOISONED, cell_of_id
from dokunuki.study.panels import PANELS, answer_cell
from dokunuki.study.provenance import code_digests, offer_library
from dokunuki.study.requests import read_requests
from dokunuki.study.scheduling import lift_default_rate

try:
    # Jobs find the library and the user's own modules too, in whatever environment they run.
    offer_library(configuration.catalogue_folders(config))
    configuration.check_files(workflow.configfiles)
    CONFIG = configuration.load_config(config, WORKFLOW)
    REQUESTS = read_requests(WORKFLOW / "resources.yaml")
    # Looked at here: where results exist already, Snakemake would pass over an input function's
    # error, and a mistyped path would show another corpus' results.
    for name in used_datasets(CONFIG):
        given_files(CONFIG, name)
        if CONFIG["datasets"][name]["kind"] == "programs":
            programs.check_folder(CONFIG["datasets"][name])
except DokunukiError as error:
    raise WorkflowError(str(error)) from None
except OSError as error:
    raise WorkflowError(
        f"{error.filename}: cannot be read ({error.strerror}); check its permissions"
    ) from None

GRID = CONFIG["grid"]

# Ids of attacked cells: the last four digits are p in steps of 0.01 percent. At p = 0 nothing is
# trained: see score_evasion.
POISONED = r"[a-z0-9-]+-n\d{3}-p(?!0000)\d{4}"

# What a search tries, by kind, and the places of its shortlist.
SEARCH = CONFIG["search"]
TRIALS = {
    kind: specs.searched_specs(CONFIG, kind) for kind in ("classifiers", "autoencoders")
}
RANKS = {
    kind: range(min(SEARCH["shortlist"], len(tried))) for kind, tried in TRIALS.items()
}

# How a training job asks for a GPU; a profile says what that means on its machine.
GPU = 0 if CONFIG["compute"]["device"] == "cpu" else 1
# Handed to jobs as resources: where a job ran is no part of what it computed. Rules that ask for no
# GPU say `device="cpu"`, since on a cluster they would find none, or another's.
DEVICE = CONFIG["compute"]["device"]
THREADS = CONFIG["compute"]["threads"]
# As configured: what auto means on a machine is like its device no part of what a job is asked for.
PRECISION = CONFIG["compute"]["precision"]

# Which seeds share a job (compute.seeds_a_job), and which runs they do so for, as patterns.
BATCHES = batches.seed_batches(CONFIG)
VICTIMS = batches.victims_pattern(CONFIG)
UNPOISONED_RUNS = batches.unpoisoned_pattern(CONFIG)
AUTOENCODERS = batches.autoencoders_pattern(CONFIG)
ROW_CHOICES = batches.row_choices_pattern(CONFIG)

# Of which seeds autoencoders stay when they were used, and of which they do not, as patterns.
FIRST, NO_SEED = GRID["seeds"][0], r"(?!)\d+"
KEPT_SEEDS, OTHER_SEEDS = {
    "all": (r"\d+", NO_SEED),
    "first_seed": (str(FIRST), rf"(?!{FIRST}\b)\d+"),
    "none": (NO_SEED, r"\d+"),
}[CONFIG["compute"]["keep_models"]]


wildcard_constraints:
    dataset="|".join(CONFIG["datasets"]),
    seed=r"\d+",
    attack="|".join(CONFIG["attacks"]),
    cell="|".join([POISONED, UNPOISONED]),
    defence="|".join(CONFIG["defences"]),
    autoencoder="|".join(CONFIG["autoencoders"]) or "none",
    classifier="|".join(CONFIG["classifiers"]),
    grid="|".join(["grid", *CONFIG["further_grids"]]),
    # A classifier and the share of the training rows that it sees, in steps of 0.01 percent.
    surrogate=rf"({'|'.join(CONFIG['classifiers'])})-\d{{5}}",


def code(rule_name, **methods):
    """Digests of the code that a rule's script reaches, and of the classes that methods name."""
    classes = [
        path
        for kind, names in methods.items()
        for path in specs.method_classes(
            CONFIG, kind, [names] if isinstance(names, str) else names
        )
    ]
    return code_digests(WORKFLOW / "scripts" / f"{rule_name}.py", *classes)


def own_file(path):
    """A file of the workflow as seen from the working folder: a tree may move and stays built."""
    return os.path.relpath(WORKFLOW / path)


def seed_of(purpose):
    """What a job's seed stands for: in `sample`, `poison` or `initialisation`."""
    return lambda wildcards: specs.job_seed(CONFIG, wildcards.seed, purpose)


def seed_folder(wildcards):
    return f"results/{wildcards.dataset}/seed-{wildcards.seed}"


def each_seed(seeds, function):
    """What a function of wildcards gives with each of these seeds, in one list."""

    def collected(wildcards):
        named = [{**dict(wildcards.items()), "seed": str(seed)} for seed in seeds]
        found = [function(type(wildcards)(fromdict=each)) for each in named]
        lists = [one if isinstance(one, list) else [one] for one in found]
        return [value for each in lists for value in each]

    return collected


def kept_or_temporary(seed, path):
    """An autoencoder that stays or goes when it was used: see compute.keep_models."""
    return path if re.fullmatch(KEPT_SEEDS, str(seed)) else temp(path)


def cell_extent(wildcards):
    """N and p of a job's cell, which take its part of the attack's poison."""
    if wildcards.cell == UNPOISONED:
        return {}
    cell = cell_of_id(wildcards.cell)
    return {"size": cell.size, "rate_percent": cell.rate}


def attack_folder(wildcards):
    return f"{seed_folder(wildcards)}/attacks/{cell_of_id(wildcards.cell).attack}"


def trigger_of(wildcards):
    """The trigger file of a job's attack."""
    return f"{attack_folder(wildcards)}/trigger.json"


def poison_of(wildcards):
    """The poison of a job's attack; none for the unpoisoned cell."""
    unpoisoned = wildcards.cell == UNPOISONED
    return [] if unpoisoned else f"{attack_folder(wildcards)}/poison.h5"


def autoencoder_files(wildcards):
    """The autoencoder that the defence names, trained on this cell's rows, and its cost."""
    name = autoencoder_of(CONFIG["defences"], wildcards.defence)
    cell = wildcards.get("cell", UNPOISONED)
    stem = f"{seed_folder(wildcards)}/{cell}/autoencoders/{name}"
    return [f"{stem}.safetensors", f"{stem}.cost.json"] if name else []


def row_choice_files(wildcards):
    """The rows of this cell that the defence's first steps choose, and the cost of the choice."""
    chooses = choosing_steps_of(CONFIG["defences"], wildcards.defence)
    cell = wildcards.get("cell", UNPOISONED)
    stem = f"{seed_folder(wildcards)}/{cell}/row-choices/{wildcards.defence}"
    return [f"{stem}.h5", f"{stem}.cost.json"] if chooses else []


def row_choice_code(rule_name):
    """Digests of what chooses the rows of a defence."""
    return lambda wildcards: code(
        rule_name, defences=choosing_steps_of(CONFIG["defences"], wildcards.defence)
    )


def victim_spec(wildcards):
    return specs.detector_spec(CONFIG, wildcards.defence, wildcards.classifier)


def victim_code(rule_name):
    """Digests of what a victim is made of."""

    def digests(wildcards):
        methods = {"defences": wildcards.defence, "classifiers": wildcards.classifier}
        if name := autoencoder_of(CONFIG["defences"], wildcards.defence):
            methods["autoencoders"] = name
        return code(rule_name, **methods)

    return digests


def evasion_scope(wildcards):
    """Which detectors and sizes an attack's triggers are scored for."""
    return CONFIG, wildcards.dataset, int(wildcards.seed), wildcards.attack


def evaded_detectors(wildcards):
    """The unpoisoned detectors that an attack's triggers meet."""
    return [
        f"{seed_folder(wildcards)}/unpoisoned/{defence}/{classifier}/detector"
        for defence, classifier in specs.evasion_detectors(*evasion_scope(wildcards))
    ]


def evasion_code(rule_name):
    """Digests of what an attack's triggers meet."""

    def digests(wildcards):
        detectors = specs.evasion_detectors(*evasion_scope(wildcards))
        defences, classifiers = zip(*detectors)
        return code(rule_name, defences=defences, classifiers=classifiers)

    return digests


def surrogate_folder(wildcards):
    """Where the surrogate of an attack and its explanations are."""
    surrogate = specs.surrogate_id(CONFIG, wildcards.attack)
    return f"{seed_folder(wildcards)}/surrogates/{surrogate}"


def surrogate_classifier(wildcards):
    return specs.split_surrogate_id(wildcards.surrogate)[0]


def surrogate_share(wildcards):
    return specs.split_surrogate_id(wildcards.surrogate)[1]


def surrogate_spec(wildcards):
    return specs.part_spec(CONFIG, "classifiers", surrogate_classifier(wildcards))


def surrogate_code(rule_name):
    """Digests of what a surrogate is made of."""
    return lambda wildcards: code(
        rule_name, classifiers=surrogate_classifier(wildcards)
    )


def audit_file(name):
    """A file of the audit's answer."""
    return os.path.normpath(f"{CONFIG['audit']['folder']}/{name}")


def audit_answer(wildcards):
    """What an audit answers with; a clear error where no feed is named."""
    if CONFIG["audit"]["feed"] is None:
        raise WorkflowError(
            "config: audit.feed: no dataset is named; use `dokunuki audit FEED`, or --config "
            "'audit={feed: NAME}' with a name from datasets"
        )
    return [audit_file(name) for name in ANSWER]


def audit_code(rule_name, **methods):
    """Digests of a stage's code; not while the workflow is parsed, where nothing is audited."""
    return lambda wildcards: code(rule_name, **methods)


def canary_spec(wildcards):
    """What decides one of the audit's own backdoors."""
    return planned.canary_spec(CONFIG["attacks"], cell_of_id(wildcards.canary))


def canary_code(rule_name):
    """Digests of what such a backdoor is made of, and of all that then audits the copy."""
    return lambda wildcards: code(
        rule_name,
        attacks=cell_of_id(wildcards.canary).attack,
        classifiers=["embernn", CONFIG["audit"]["detector"]],
    )


def feed_rows(wildcards):
    return specs.corpus_rows(CONFIG, CONFIG["audit"]["feed"])


def trial_results(wildcards):
    """What the first seed's trials of a kind came to."""
    folder = f"results/search/{wildcards.dataset}/{wildcards.kind}"
    return [
        f"{folder}/trial-{number:03d}.json"
        for number in range(len(TRIALS[wildcards.kind]))
    ]


def shortlisted_results(wildcards):
    """Of the shortlist's trials on the other seeds."""
    folder = f"results/search/{wildcards.dataset}/{wildcards.kind}"
    return [
        f"{folder}/rank-{rank:03d}-seed-{seed}.json"
        for rank in RANKS[wildcards.kind]
        for seed in SEARCH["seeds"][1:]
    ]


def chosen_classifiers(wildcards):
    """Autoencoders are tried with the classifier that was chosen before."""
    is_needed = wildcards.kind == "autoencoders" and TRIALS["classifiers"]
    return f"results/search/{wildcards.dataset}/classifiers.csv" if is_needed else []


def trial_code(rule_name):
    """Digests of what the settings are tried with."""
    return lambda wildcards: code(
        rule_name, **specs.search_methods(CONFIG, wildcards.kind)
    )


def release_of(wildcards):
    """The files of the rows. A published release never changes: sizes are compared, not times."""
    path = specs.release_path(CONFIG, wildcards.dataset)
    kind = CONFIG["datasets"][wildcards.dataset]["kind"]
    if kind == "simulated":
        return [f"{path}/{file}" for file in specs.SIMULATED_FILES]
    if kind == "programs":
        return [f"{path}/{file}" for file in programs.EXTRACTED_FILES]
    try:
        files = given_files(CONFIG, wildcards.dataset)
        return ancient(files) if kind == "ember" else files
    except DokunukiError as error:
        raise WorkflowError(str(error)) from None


@cache
def is_stored(dataset):
    """Whether a dataset's rows are read from a store, since its release is packed."""
    entry = CONFIG["datasets"][dataset]
    try:
        return entry["kind"] == "ember" and is_packed(entry["path"])
    except DokunukiError as error:
        raise WorkflowError(str(error)) from None


def raw_files(wildcards):
    """The files that a dataset's rows are read from in place."""
    return [] if is_stored(wildcards.dataset) else release_of(wildcards)


def store_of(wildcards):
    """The store that a dataset's rows are read from, where they are in no such files."""
    return (
        f"results/{wildcards.dataset}/rows.h5" if is_stored(wildcards.dataset) else []
    )


def real_files(wildcards):
    """The files of the real rows; a clear error when none are given."""
    try:
        files = specs.real_rows(CONFIG)
    except DokunukiError as error:
        raise WorkflowError(str(error)) from None
    return [] if is_stored(CONFIG["realism"]["real"]) else ancient(files)


def real_store(wildcards):
    """The store of the real rows, where they are in no files of their own."""
    name = CONFIG["realism"]["real"]
    real_files(wildcards)
    return f"results/{name}/rows.h5" if is_stored(name) else []


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
            "panel": PANELS[panel].label,
        },
    )


def sample_rows(wildcards):
    return samples.sample_rows(CONFIG, wildcards.get("dataset"))


def corpus_rows(wildcards):
    return specs.corpus_rows(CONFIG, wildcards.dataset)


def scan_threads(wildcards):
    """Cores for the scan of a corpus; a store is read by one process."""
    stored = is_stored(wildcards.dataset)
    return 1 if stored else specs.scan_threads(CONFIG, wildcards.dataset)


def scan_workers(wildcards):
    """Processes that the scan starts, at most."""
    cores = scan_threads(wildcards)
    return cores if cores > 1 else 0


def memory(rule_name, rows=sample_rows, workers=lambda wildcards: 0):
    """`mem_mb` of a rule: what workflow/resources.yaml says for so many rows, per attempt.

    No parameter of the rule, so that other requests make nothing run again.
    """
    return lambda wildcards, attempt: REQUESTS[rule_name].memory(
        rows(wildcards), attempt, workers(wildcards)
    )


def minutes(rule_name, rows=sample_rows, times=lambda wildcards: 1):
    """`runtime` of a rule, likewise; `times` says how often the measured work is done."""
    return lambda wildcards, attempt: REQUESTS[rule_name].runtime(
        rows(wildcards), attempt, times(wildcards)
    )


def planting_minutes(wildcards, attempt):
    """An attack may train models of its own before it chooses."""
    epochs = specs.attack_epochs(CONFIG, wildcards.attack)
    training = minutes("train_surrogate", times=lambda wildcards: epochs)
    choosing = minutes("plant_trigger")(wildcards, attempt)
    return choosing + (training(wildcards, attempt) if epochs else 0)


def victim_epochs(wildcards):
    return specs.victim_epochs(CONFIG, wildcards.defence, wildcards.classifier)


def autoencoder_epochs(wildcards):
    return specs.epochs(CONFIG, "autoencoders", wildcards.autoencoder)


def times_seeds(seeds, epochs):
    """The epochs of a job that trains with several seeds."""
    return lambda wildcards: len(seeds) * epochs(wildcards)


def surrogate_epochs(wildcards):
    return specs.epochs(CONFIG, "classifiers", surrogate_classifier(wildcards))


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
