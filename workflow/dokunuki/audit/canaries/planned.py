"""Which attacks are planted, in how many columns and in how many rows.

Read while the workflow is parsed, so that nothing heavy is imported here. What a canary is made of
goes to its job as a parameter: after a change of the plan, only what is new in it is planted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dokunuki.errors import ConfigError
from dokunuki.study.catalogue import read_catalogue, resolve_extends
from dokunuki.study.grid import Cell
from dokunuki.study.places import WORKFLOW
from dokunuki.study.specs import part_spec

if TYPE_CHECKING:
    from collections.abc import Mapping

_SIZE = 16
_ALL = (
    "fgsm-flip",
    "adaptive-flip",
    "variation-ratio",
    "independent",
    "greedy",
    "badnets",
)
LEVELS: Mapping[str, tuple[Cell, ...]] = {
    "none": (),
    "quick": tuple(Cell(name, _SIZE, 4.0) for name in ("fgsm-flip", "variation-ratio")),
    "full": tuple(Cell(name, _SIZE, rate) for rate in (1.0, 4.0) for name in _ALL),
}
"""The canaries of each level: attacks of the catalogue, N columns and p percent of the rows."""


def planned_canaries(level: str) -> dict[str, Cell]:
    """The canaries of a level by id, in the report's order; ConfigError for an unknown level."""
    if level not in LEVELS:
        raise ConfigError(f"canaries: unknown level {level!r}; known: {', '.join(LEVELS)}")
    return {cell.id: cell for cell in LEVELS[level]}


def canary_spec(attacks: Mapping[str, Mapping[str, Any]], cell: Cell) -> dict[str, Any]:
    """What decides a canary: the attack's class and parameters, its rows, N and p.

    `attacks` are entries of the catalogue by name, or the section of a configuration.
    """
    entry = attacks[cell.attack]
    return {
        "attack": part_spec({"attacks": attacks}, "attacks", cell.attack),
        "label": entry["label"] or cell.attack,
        "rows": entry["rows"],
        "size": cell.size,
        "rate": cell.rate,
    }


def own_attacks() -> dict[str, dict[str, Any]]:
    """The attacks of the library's own catalogue, for audits that have no configuration."""
    catalogue, _ = read_catalogue([WORKFLOW / "catalogue"])
    # What a configuration's schema has for keys that an entry lacks.
    lacking: dict[str, Any] = {"label": None, "params": {}, "rows": "attack"}
    attacks = resolve_extends(catalogue["attacks"], "attacks")
    return {name: lacking | entry for name, entry in attacks.items()}
