"""How many rows are drawn of a dataset, and in which parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dokunuki.study.grid import all_grids

if TYPE_CHECKING:
    from collections.abc import Mapping

_PARTS = ("rows", "validation_malware", "calibration_rows", "clean_rows")


def sample_spec(config: Mapping[str, Any], dataset: str) -> dict[str, Any]:
    """What decides which rows are drawn of a dataset: the sample, with its changes to it."""
    sample = {**config["sample"], **(config["datasets"][dataset]["sample"] or {})}
    return {key: sample[key] for key in sorted(sample)}


def sample_rows(config: Mapping[str, Any], dataset: str | None = None) -> int:
    """How many rows are drawn a seed, for requests of memory and time; None for the most."""
    used = {name: None for grid in all_grids(config).values() for name in grid["datasets"]}
    samples = [sample_spec(config, name) for name in (used if dataset is None else [dataset])]
    return max(sum(int(sample[key]) for key in _PARTS) for sample in samples)
