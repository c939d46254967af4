"""The choice of what the paper leaves open: by validation loss, on clean rows, before any attack.

The rows are the clean training part of a seed that no grid uses. A share of them is held out; every
combination of the listed values is trained on the rest, and the loss on the held-out rows after
each epoch tells the best setting and its number of epochs at once. No poison, no trigger and no
test row is ever seen.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.model_selection import ParameterGrid, train_test_split

from dokunuki.networks.settings import TrainingDivergedError
from dokunuki.parts.building import build
from dokunuki.parts.standardising import Standardiser
from dokunuki.progress import Progress
from dokunuki.seeding import stream_seed
from dokunuki.storage.files import atomic_write

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dokunuki.corpus.vectors import Vectors

COLUMNS = (
    "part",
    "settings",
    "best_epoch",
    "validation_loss",
    "training_loss",
    "last_validation_loss",
    "status",
)


def search_settings(
    vectors: Vectors,
    kind: str,
    spec: Mapping[str, Any],
    *,
    device: str,
    threads: int,
    precision: str = "auto",
) -> pd.DataFrame:
    """Train every combination of settings; one row each, the best of each part first.

    `kind` is classifiers or autoencoders. `spec` holds `values` (lists by part and parameter),
    `parts` (class and params by name), `seed` and `validation_share`. The columns are COLUMNS.
    Of equal losses, the combination that ParameterGrid gives first comes first: the parameters
    stand by name there, and the last one varies fastest. A combination that diverges keeps its
    row, with a status and no loss.
    """
    X, y = vectors.rows("train"), vectors.labels("train")
    fitting, held_out = train_test_split(
        np.arange(len(y)),
        test_size=spec["validation_share"],
        stratify=y,
        random_state=stream_seed(spec["seed"], "search") % 2**32,
    )
    fitted_on = X[fitting]
    scaler = Standardiser().fit(fitted_on)
    rows = {
        "fit": scaler.transform_in_place(fitted_on),
        "validation": scaler.transform(X[held_out]),
    }
    tried = [
        (name, settings)
        for name, values in spec["values"].items()
        for settings in ParameterGrid(values)
    ]
    progress = Progress(f"search {kind}", len(tried), interval=0)
    table = []
    for done, (name, settings) in enumerate(tried, start=1):
        part = spec["parts"][name]
        model = build(
            part["class"],
            {**part["params"], **settings},
            seed=stream_seed(spec["seed"], "search", name),
            device=device,
            threads=threads,
            precision=precision,
        )
        row: dict[str, Any] = {"part": name, "settings": json.dumps(settings)}
        try:
            if kind == "classifiers":
                model.fit(rows["fit"], y[fitting], validation=(rows["validation"], y[held_out]))
            else:
                columns = vectors.layout.attackable
                model.fit(rows["fit"][:, columns], validation=rows["validation"][:, columns])
        except TrainingDivergedError:
            row["status"] = "diverged"
        else:
            losses = model.history_.validation_loss
            best = int(np.argmin(losses))
            row |= {
                "best_epoch": best + 1,
                "validation_loss": losses[best],
                "training_loss": model.history_.loss[best],
                "last_validation_loss": losses[-1],
                "status": "ok",
            }
        table.append(row)
        progress.update(done, **{"validation_loss": row.get("validation_loss", "diverged")})
    return (
        pd.DataFrame(table, columns=list(COLUMNS))
        .sort_values(["part", "validation_loss"], kind="stable", na_position="last")
        .reset_index(drop=True)
    )


def write_search(path: str | Path, table: pd.DataFrame) -> None:
    """Write the table as CSV with six decimals."""
    with atomic_write(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6f")
