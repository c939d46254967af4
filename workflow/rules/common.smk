# What all stages share: the checked configuration, the grid, and the functions rules call.
# Parsing stays light: nothing here may import torch, pandas or scikit-learn, or write a file.
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

WORKFLOW = Path(workflow.basedir) / "workflow"
# The library is importable in every environment a rule may run in, installed there or not.
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [str(WORKFLOW), os.environ.get("PYTHONPATH")])
)
sys.path.insert(0, str(WORKFLOW))

from dokunuki.config import load_config
from dokunuki.errors import DokunukiError
from dokunuki.grid import UNPOISONED, Cell, grid_cells
from dokunuki.provenance import code_digests

try:
    CONFIG = load_config(config, WORKFLOW / "schemas" / "config.schema.yaml")
except DokunukiError as error:
    raise WorkflowError(str(error)) from None

GRID = CONFIG["grid"]
CELLS = grid_cells(GRID)
# A trigger of size N is a prefix of the longest one, which is computed once, so that a new N
# changes no trigger file.
LONGEST_TRIGGER = max(64, *GRID["trigger_sizes"], GRID["fixed_trigger_size"])

# Ids of cells by their poison rate: the last four digits are p in steps of 0.01 percent.
POISONED = r"[a-z0-9-]+-n\d{3}-p(?!0000)\d{4}"
EVASION = r"[a-z0-9-]+-n\d{3}-p0000"


wildcard_constraints:
    dataset="|".join(CONFIG["datasets"]),
    seed=r"\d+",
    attack="|".join(CONFIG["attacks"]),
    cell="|".join([POISONED, EVASION, UNPOISONED]),
    defence="|".join(CONFIG["defences"]),
    autoencoder="|".join(CONFIG["autoencoders"]) or "none",
    classifier="|".join(CONFIG["classifiers"]),


def part(section, name):
    """What makes a part of the benchmark what it is: its class and parameters, not its label."""
    entry = CONFIG[section][name]
    return {"name": name, "class": entry["class"], "params": entry["params"]}


def code(rule_name, **parts):
    """Digests of the code that a rule's script reaches, and of the classes the config names."""
    classes = [CONFIG[section][name]["class"] for section, name in parts.items()]
    return code_digests(WORKFLOW / "scripts" / f"{rule_name}.py", *classes)


def cell_of(wildcards):
    """The grid cell of a job; also one outside the present grid that a user asks for by path."""
    if wildcards.cell in CELLS:
        return CELLS[wildcards.cell]
    attack, size, rate = wildcards.cell.rsplit("-", 2)
    return Cell(attack, int(size[1:]), int(rate[1:]) / 100)


def trigger_of(wildcards):
    """The trigger file of a job's attack."""
    folder = f"results/{wildcards.dataset}/seed-{wildcards.seed}/triggers"
    return f"{folder}/{cell_of(wildcards).attack}.json"


def poison_of(wildcards):
    """The poison of a job's cell; none for the unpoisoned cell."""
    cell = wildcards.cell
    folder = f"results/{wildcards.dataset}/seed-{wildcards.seed}/{cell}"
    return [] if cell == UNPOISONED else f"{folder}/poison.h5"


def check_device():
    """Stop before any job when a GPU is asked for on this machine and there is none."""
    executor = workflow.executor_plugin
    runs_here = executor is None or executor.common_settings.local_exec
    if CONFIG["compute"]["device"] == "cuda" and runs_here:
        from dokunuki.devices import resolve_device

        try:
            resolve_device("cuda")
        except DokunukiError as error:
            raise WorkflowError(str(error)) from None


# How a training job asks for a GPU; a profile says what that means on its machine.
GPU = 0 if CONFIG["compute"]["device"] == "cpu" else 1
# Handed to jobs as resources: where a job ran is no part of what it computed.
DEVICE = CONFIG["compute"]["device"]
THREADS = CONFIG["compute"]["threads"]
