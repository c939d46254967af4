"""The grid of experiments: which (attack, N, p) cells there are, and their readable ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dokunuki.study.rates import rate_code

if TYPE_CHECKING:
    from collections.abc import Mapping

UNPOISONED = "unpoisoned"
"""Id of the cell without any attack."""


@dataclass(frozen=True, order=True)
class Cell:
    """One attack at one trigger size N and one poison rate p (in percent)."""

    attack: str
    size: int
    rate: float

    @property
    def id(self) -> str:
        """For paths, e.g. independent-n008-p0100 for N = 8 and p = 1.00 percent."""
        return f"{self.attack}-n{self.size:03d}-p{rate_code(self.rate):04d}"


def cell_of_id(cell_id: str) -> Cell:
    """The cell that an id stands for, one outside the grid too; ValueError for anything else."""
    attack, size, rate = cell_id.rsplit("-", 2)
    return Cell(attack, int(size[1:]), int(rate[1:]) / 100)


def attack_cells(grid: Mapping[str, Any], attack: str) -> list[Cell]:
    """The cells of one attack: N varies at the fixed p, and p at the fixed N; each cell once."""
    over_size = [Cell(attack, size, grid["fixed_poison_rate"]) for size in grid["trigger_sizes"]]
    over_rate = [Cell(attack, grid["fixed_trigger_size"], rate) for rate in grid["poison_rates"]]
    return list({cell.id: cell for cell in [*over_size, *over_rate]}.values())


def all_grids(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The grid of a checked configuration and the further ones, by the keys that they stand at."""
    further = config["further_grids"].items()
    return {"grid": config["grid"]} | {f"further_grids.{name}": grid for name, grid in further}


def grids_of(
    config: Mapping[str, Any], attack: str, dataset: str | None = None, seed: int | None = None
) -> list[dict[str, Any]]:
    """The grids in which an attack meets a dataset with a seed; None for any of them."""
    return [
        grid
        for grid in all_grids(config).values()
        if attack in grid["attacks"]
        and (dataset is None or dataset in grid["datasets"])
        and (seed is None or seed in grid["seeds"])
    ]


def grid_cells(grid: Mapping[str, Any]) -> dict[str, Cell]:
    """All cells by id, in the order of the grid's attacks; without the unpoisoned one."""
    return {cell.id: cell for attack in grid["attacks"] for cell in attack_cells(grid, attack)}


def defended_classifiers(grid: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Which defences run with which classifiers, (defence, classifier) in the grid's order.

    All with all, but for the classifiers that `restricted` names: with those run the defences
    listed there.
    """
    return [
        (defence, classifier)
        for defence in grid["defences"]
        for classifier in grid["classifiers"]
        if defence in grid["restricted"].get(classifier, grid["defences"])
    ]
