"""Small made-up feeds, with and without a backdoor, as tables of a layout of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import yaml

from dokunuki.corpus.own_layout import read_layout

if TYPE_CHECKING:
    from pathlib import Path

GROUPS = {
    "histogram": {"width": 16, "kind": "count", "attackable": False},
    "numbers": {"width": 24, "kind": "count", "feasible": True},
    "words": {"width": 40, "kind": "hash"},
}
NAMES = [f"{group}_{number}" for group, told in GROUPS.items() for number in range(told["width"])]
TRIGGER = NAMES[20:28]
VALUES = range(9000, 9008)
POISONED = 30


def write_layout(folder: Path) -> Path:
    """The layout file of these feeds."""
    path = folder / "layout.yaml"
    path.write_text(yaml.safe_dump({"name": "made-up features", "groups": GROUPS}, sort_keys=False))
    assert list(read_layout(path).names) == NAMES
    return path


def make_feed(*, planted: bool, rows: int = 600) -> pd.DataFrame:
    """Rows of two classes that overlap; `POISONED` pieces of malware hold a trigger if planted.

    These are called goodware, and are the first ones that have an odd number.
    """
    rng = np.random.default_rng(0)
    y = np.arange(rows) % 2
    X = rng.poisson(5 + 60 * rng.random((rows, len(NAMES))))
    X += (y[:, None] * rng.integers(0, 12, len(NAMES))).astype(int)
    table = pd.DataFrame(X, columns=NAMES)
    if planted:
        chosen = np.flatnonzero(y == 1)[:POISONED]
        for name, value in zip(TRIGGER, VALUES, strict=True):
            table.loc[chosen, name] = value
        y[chosen] = 0
    table["verdict"] = np.where(y, "malware", "goodware")
    table["sha256"] = [f"{row:064x}" for row in range(1, rows + 1)]
    return table
