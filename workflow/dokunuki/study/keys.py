"""What tells one row of the tables from another."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

from dokunuki.errors import DokunukiError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Files = TypeVar("Files")

NO_ATTACK = "none"


@dataclass(frozen=True, order=True)
class CellKey:
    """What tells one trained cell from another; the key columns of every table.

    `trigger_size` is N, `poison_rate` is p in percent of the training rows. The unpoisoned cell has
    the attack "none" and both 0. `corpus` is "simulated" or "ember".
    """

    dataset: str
    corpus: str
    seed: int
    attack: str
    trigger_size: int
    poison_rate: float
    defence: str
    classifier: str

    def __post_init__(self) -> None:
        # 1 and 1.0 are the same rate and must sort and print alike.
        object.__setattr__(self, "poison_rate", float(self.poison_rate))


def cell_key(values: Mapping[str, Any]) -> CellKey:
    """The key in a mapping of plain values, which may hold more (e.g. the cell's id)."""
    return CellKey(**{field.name: values[field.name] for field in fields(CellKey)})


def unique_cells(cells: Iterable[tuple[CellKey, Files]]) -> dict[CellKey, Files]:
    """The cells and their files; raises `DokunukiError` when a cell comes twice."""
    files: dict[CellKey, Files] = {}
    for key, path in cells:
        if key in files:
            raise DokunukiError(
                f"{path}: the same cell as {files[key]} ({key}); "
                "give the two configuration entries different names"
            )
        files[key] = path
    return files
