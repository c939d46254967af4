"""The choice among trials: by distance to the clean accuracies that the paper reports.

No attack is part of it. Where a paper leaves settings open, those are taken whose accuracies on
unpoisoned rows come nearest to the paper's; what the attacks then do is a finding, not a choice.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dokunuki.errors import DokunukiError
from dokunuki.search.trials import OK, read_result
from dokunuki.storage.files import atomic_write, read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from dokunuki.search.trials import Result, Spec

PAPER_ACCURACY = {"none": 0.97, "deletion": 0.90, "ae": 0.93}
"""Accuracies on clean test rows in the paper's figures 2-4 (c, d), about."""
SLIGHTLY = 0.02
"""AE enc lies "slightly above" AE there: by up to this much, as we read the figures."""

_MEASURES = {
    "classifiers": ("none", "deletion"),
    "autoencoders": ("ae", "ae_enc", "unexplained"),
}
_COMMON = ("loss", "epochs")


def distance(accuracies: Mapping[str, float]) -> float:
    """How far a seed's accuracies lie from the paper's: the root mean square of their distances.

    Of `none`, `deletion` and `ae` it is the distance to PAPER_ACCURACY, of `ae_enc` that to the
    range from `ae` to SLIGHTLY above it. Only what the mapping holds counts. A share, as they are.
    """
    away = [
        accuracies[name] - wanted for name, wanted in PAPER_ACCURACY.items() if name in accuracies
    ]
    if "ae_enc" in accuracies:
        above = accuracies["ae_enc"] - accuracies["ae"]
        away.append(above - float(np.clip(above, 0, SLIGHTLY)))
    return math.sqrt(float(np.mean(np.square(away))))


def choice_table(kind: str, results: Sequence[Result]) -> pd.DataFrame:
    """One row per setting that was tried, the nearest first; `kind` as in the configuration.

    Columns: `part`, `params` (JSON), `seeds` (how many were tried), `status`, `distance`, the mean
    accuracies and other measures of the kind, in their units, and the sample standard deviations
    over the seeds of the accuracies. The distance is the root mean square of the seeds' own: good
    accuracies on the average of good and failed trainings are none. Settings that were tried on
    fewer seeds come after the others, and those that diverged on any seed last. Of equal distances
    the first in `results` comes first.
    """
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(json.dumps(result["spec"], sort_keys=True), []).append(result)
    rows = [_row(kind, tried) for tried in groups.values()]
    table = pd.DataFrame(rows)
    table["diverged"] = table["status"] != OK
    order = table.sort_values(
        ["diverged", "seeds", "distance"], ascending=[True, False, True], kind="stable"
    )
    return order.drop(columns="diverged").reset_index(drop=True)


def _row(kind: str, tried: Sequence[Result]) -> dict[str, Any]:
    spec = tried[0]["spec"]
    row: dict[str, Any] = {
        "part": spec["name"],
        "params": json.dumps(spec["params"]),
        "seeds": len(tried),
        "status": next((r["status"] for r in tried if r["status"] != OK), OK),
    }
    measures = [*_MEASURES[kind], *_COMMON]
    if row["status"] != OK:
        return row | {"distance": math.nan} | dict.fromkeys(measures, math.nan)
    values = pd.DataFrame([{name: r[name] for name in measures} for r in tried], dtype="float64")
    means = values.mean()
    accuracies = [name for name in _MEASURES[kind] if name != "unexplained"]
    away = [distance({name: seed[name] for name in accuracies}) for seed in tried]
    row["distance"] = math.sqrt(float(np.mean(np.square(away))))
    row |= {name: means[name] for name in measures}
    return row | {f"{name}_sd": values[name].std() for name in accuracies}


def shortlist(kind: str, results: Sequence[Result], count: int) -> list[Spec]:
    """The specs of the `count` nearest settings, to be tried on more seeds."""
    table = choice_table(kind, results)
    specs = {json.dumps(r["spec"]["params"]): r["spec"] for r in results}
    return [specs[params] for params in table["params"][:count]]


def write_shortlist(path: str | Path, kind: str, results: Sequence[str | Path], count: int) -> None:
    """Write the specs that `shortlist` takes of the results in these files, as JSON."""
    write_json(path, {"shortlist": shortlist(kind, [read_result(file) for file in results], count)})


def shortlisted(path: str | Path, rank: int) -> Spec:
    """The spec of that rank, from 0, in what `write_shortlist` wrote."""
    spec: Spec = read_json(path)["shortlist"][rank]
    return spec


def write_choice(path: str | Path, kind: str, results: Sequence[str | Path]) -> None:
    """Write the `choice_table` of the results in these files, as CSV with six decimals."""
    table = choice_table(kind, [read_result(file) for file in results])
    with atomic_write(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6f", lineterminator="\n")


def chosen_spec(path: str | Path, specs: Mapping[str, Spec]) -> Spec:
    """The spec that a table of `write_choice` has first; `specs` are the parts by name.

    Raises DokunukiError where every setting diverged.
    """
    first = pd.read_csv(path).iloc[0]
    if first["status"] != OK:
        raise DokunukiError(
            f"{path}: every setting diverged in training; lower the learning rates in `search`"
        )
    return {**specs[first["part"]], "params": json.loads(first["params"])}
