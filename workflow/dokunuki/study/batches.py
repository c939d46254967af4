"""Several seeds a job: which runs of the grid are trained together, where a study asks for it.

A job takes one run (a cell, a defence and a classifier) with several seeds, or the autoencoder of a
cell, or the rows that a defence chooses there. Whatever is edited in a study, an attack, a defence
or a setting, touches a run with all of its seeds, so that such a job reruns nothing that it would
not rerun alone. Seeds are taken in the order of the grid: one that is added at the end leaves the
full batches before it as they are.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from dokunuki.study.catalogue import autoencoder_of, choosing_steps_of
from dokunuki.study.grid import UNPOISONED, defended_classifiers, grid_cells

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def seed_batches(config: Mapping[str, Any]) -> list[list[int]]:
    """The seeds that share a job, in the order of the grid; a seed without others is in none.

    Only `grid` has them. Runs of the further grids are trained seed by seed, since those may have
    other seeds: a job would train what nobody asked for.
    """
    seeds, size = config["grid"]["seeds"], config["compute"]["seeds_a_job"]
    batches = [list(seeds[start : start + size]) for start in range(0, len(seeds), size)]
    return [batch for batch in batches if len(batch) > 1]


def batch_name(seeds: Sequence[int]) -> str:
    """How rules and paths call the seeds of a job, e.g. `seeds_0_to_4`."""
    return f"seeds_{seeds[0]}_to_{seeds[-1]}"


def victims_pattern(config: Mapping[str, Any]) -> str:
    """A regular expression of CELL/DEFENCE/CLASSIFIER/ for the attacked runs of the grid."""
    return f"{_any_of(_attacked(config))}/{_pairs(config)}/"


def unpoisoned_pattern(config: Mapping[str, Any]) -> str:
    """A regular expression of CELL/DEFENCE/CLASSIFIER/ for the grid's runs without an attack."""
    return f"{UNPOISONED}/{_pairs(config)}/"


def autoencoders_pattern(config: Mapping[str, Any]) -> str:
    """A regular expression of CELL/autoencoders/NAME. for those that the grid's defences use."""
    used = [autoencoder_of(config["defences"], name) for name in config["grid"]["defences"]]
    names = {name for name in used if name is not None}
    # No name is empty, so that where there are none nothing matches.
    return rf"{_any_of([UNPOISONED, *_attacked(config)])}/autoencoders/{_any_of(sorted(names))}\."


def row_choices_pattern(config: Mapping[str, Any]) -> str:
    """A regular expression of CELL/row-choices/NAME. for the grid's defences that choose rows."""
    names = [name for name in config["grid"]["defences"] if _chooses(config, name)]
    return rf"{_any_of([UNPOISONED, *_attacked(config)])}/row-choices/{_any_of(names)}\."


def _chooses(config: Mapping[str, Any], defence: str) -> bool:
    return bool(choosing_steps_of(config["defences"], defence))


def _attacked(config: Mapping[str, Any]) -> list[str]:
    return [name for name, cell in grid_cells(config["grid"]).items() if cell.rate]


def _pairs(config: Mapping[str, Any]) -> str:
    classifiers: dict[str, list[str]] = {}
    for defence, classifier in defended_classifiers(config["grid"]):
        classifiers.setdefault(defence, []).append(classifier)
    together = [f"{name}/{_any_of(classifiers[name])}" for name in classifiers]
    return _group(together)


def _any_of(names: Iterable[str]) -> str:
    return _group([re.escape(name) for name in names])


def _group(alternatives: Sequence[str]) -> str:
    return f"(?:{'|'.join(alternatives)})"


def together(config: Mapping[str, Any], runs: str, seeds: Sequence[int]) -> str:
    """A constraint of the wildcard `dataset`: those of the grid, where `runs` follow in a path.

    It looks ahead of the dataset, at all that decides whether a run is trained in a batch.
    """
    return f"(?={_datasets(config)}/seed-{_any_of(map(str, seeds))}/{runs}){_datasets(config)}"


def alone(config: Mapping[str, Any], runs: str) -> str:
    """The constraint of `dataset` for all other runs: what `together` says of no batch."""
    shared = [seed for batch in seed_batches(config) for seed in batch]
    datasets = _any_of(config["datasets"])
    if not shared:
        return datasets
    return f"(?!{_datasets(config)}/seed-{_any_of(map(str, shared))}/{runs}){datasets}"


def _datasets(config: Mapping[str, Any]) -> str:
    return _any_of(config["grid"]["datasets"])
