"""Which training rows the samplers of a defence leave: chosen once for all classifiers of a cell.

A sampler that asks for no classifier chooses the same rows whatever is trained on them. Its choice
takes minutes with some (`dokunuki.audit.defending`), so that each victim reads it from a file.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import numpy as np

from dokunuki.defences.row_choice import RowChoice
from dokunuki.detector import Detector
from dokunuki.errors import ConfigError, damaged_file
from dokunuki.networks.settings import TrainingDivergedError
from dokunuki.parts.building import load_class
from dokunuki.progress import logger
from dokunuki.storage.arrays import open_arrays, read_array, read_attributes, write_arrays
from dokunuki.storage.row_blocks import row_blocks
from dokunuki.victims.building import build_steps
from dokunuki.victims.contamination import contaminated_rows
from dokunuki.victims.cost import Cost, Stopwatch
from dokunuki.victims.divergence import divergence, raise_divergence

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dokunuki.attacks.poisoning import Poison
    from dokunuki.corpus.vectors import Vectors
    from dokunuki.victims.compute import Compute


def choose_rows(
    vectors: Vectors,
    poison: Poison | None,
    spec: Mapping[str, Any],
    *,
    seed: int,
    compute: Compute,
    path: str | Path,
) -> Cost:
    """Write which of the contaminated rows the samplers of a defence leave, with what labels.

    `spec` holds the `name` of the defence, its first `steps` (class, params), and whether the
    defence has `several_steps`, which decides their random streams. Samplers that diverged are
    written as a file that says so, since a failed run is a result too. Raises ConfigError for a
    step that asks for the classifier, is no sampler, does not say which rows it kept, or changes
    rows.
    """
    watch = Stopwatch()
    for step in spec["steps"]:
        if "classifier" in inspect.signature(load_class(step["class"])).parameters:
            raise _not_choosing(spec["name"], f"{step['class']} asks for the classifier")
    X, y = contaminated_rows(vectors, poison)
    detector = Detector(build_steps(spec, vectors.layout, seed=seed, compute=compute), None)
    with watch.phase("defence"):
        try:
            rows, labels = detector.fit_defences(X, y)
        except TrainingDivergedError as error:
            logger.warning("%s", error)
            write_arrays(path, {}, divergence(error))
            return watch.cost(compute, compute.device)
    indices = detector.sampled_indices_
    if detector.transformers_ or indices is None or not _unchanged(detector, X, indices, rows):
        classes = ", ".join(step["class"] for step in spec["steps"])
        raise _not_choosing(
            spec["name"],
            f"{classes} changes or adds rows, or does not say which it kept (sample_indices_)",
        )
    write_arrays(
        path,
        {"indices": indices.astype(np.int64), "labels": labels.astype(np.int8)},
        {"steps": len(spec["steps"]), "filters": int(detector.kept_indices_ is not None)},
    )
    return watch.cost(compute, compute.device)


def _not_choosing(defence: str, why: str) -> ConfigError:
    return ConfigError(
        f"defences.{defence}: chooses_rows is true, but {why}: remove chooses_rows from its entry"
    )


def read_row_choice(path: str | Path) -> RowChoice:
    """What `choose_rows` wrote.

    Raises TrainingDivergedError when a sampler had diverged, and DataFileError for anything else.
    """
    with open_arrays(path) as file:
        attributes = read_attributes(file)
        raise_divergence(attributes)
        indices, labels = read_array(file, "indices"), read_array(file, "labels")
    try:
        return RowChoice(attributes["steps"], indices, labels, bool(attributes["filters"]))
    except KeyError as error:
        raise damaged_file(path, f"has no attribute {error}") from error


def _unchanged(detector: Detector, X: np.ndarray, indices: np.ndarray, rows: np.ndarray) -> bool:
    """Whether `rows` are the raw rows X at `indices`, but for being standardised."""
    return len(rows) == len(indices) and all(
        np.array_equal(detector.standardise(X[indices[part]]), rows[part])
        for part in row_blocks(len(rows))
    )
