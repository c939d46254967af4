"""The autoencoders of the defences: one per cell, shared by the runs whose defence names it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dokunuki.networks.settings import TrainingDivergedError
from dokunuki.parts.building import build, load_class
from dokunuki.parts.standardising import Standardiser
from dokunuki.progress import logger
from dokunuki.seeding import stream_seed
from dokunuki.storage.row_blocks import change_rows
from dokunuki.storage.tensors import read_tensors, write_tensors
from dokunuki.victims.contamination import contaminated_rows
from dokunuki.victims.cost import Cost, Stopwatch
from dokunuki.victims.divergence import divergence, raise_divergence

if TYPE_CHECKING:
    from pathlib import Path

    from dokunuki.attacks.poisoning import Poison
    from dokunuki.corpus.vectors import Vectors
    from dokunuki.victims.compute import Compute


def train_autoencoder(
    vectors: Vectors,
    poison: Poison | None,
    spec: dict[str, Any],
    *,
    seed: int,
    compute: Compute,
    path: str | Path,
) -> Cost:
    """Train an autoencoder on the standardised attackable columns of the contaminated rows.

    `spec` names it (name, class, params). It is written to `path` (safetensors). One that diverged
    is written as a file without tensors that says so, since a failed run is a result too.
    """
    watch = Stopwatch()
    X, _ = contaminated_rows(vectors, poison)
    model = build(
        spec["class"],
        spec["params"],
        seed=stream_seed(seed, "autoencoder", spec["name"]),
        device=compute.device,
        threads=compute.threads,
        precision=compute.precision,
    )
    rows = Standardiser().fit(X).transform_in_place(X)
    rows = change_rows(rows, lambda block: block[:, vectors.layout.attackable])
    with watch.phase("defence"):
        try:
            model.fit(rows)
        except TrainingDivergedError as error:
            logger.warning("%s", error)
            write_tensors(path, {}, divergence(error))
        else:
            model.save(path)
    return watch.cost(compute, getattr(model, "device_", compute.device))


def load_autoencoder(path: str | Path, spec: dict[str, Any], device: str) -> Any:  # noqa: ANN401
    """What `train_autoencoder` wrote; raises TrainingDivergedError when it had diverged."""
    _, settings = read_tensors(path)
    raise_divergence(settings)
    model: Any = load_class(spec["class"])
    return model.load(path, device=device)
