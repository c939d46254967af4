"""What tells one row of the tables from another."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from dokunuki.errors import DokunukiError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NO_ATTACK = "none"


@dataclass(frozen=True, order=True)
class RunKey:
    """What tells one run from another; the key columns of every table.

    A run is a cell (attack, N and p) with a seed, a defence and a classifier. `trigger_size` is N,
    `poison_rate` is p in percent of the training rows. The unpoisoned cell has the attack "none"
    and both 0. `corpus` is the kind of the dataset, such as "ember".
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


def unique_runs(runs: Iterable[Mapping[str, Any]]) -> dict[RunKey, Mapping[str, Any]]:
    """The runs by their keys; raises `DokunukiError` when a run comes twice.

    A run is a mapping of plain values: the fields of its key, the path of its `scores`, and more.
    """
    found: dict[RunKey, Mapping[str, Any]] = {}
    for run in runs:
        key = RunKey(**{field.name: run[field.name] for field in fields(RunKey)})
        if key in found:
            raise DokunukiError(
                f"{run['scores']}: the same run as {found[key]['scores']} ({key}); "
                "give the two configuration entries different names"
            )
        found[key] = run
    return found
