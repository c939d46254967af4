"""The victims of an attack: detectors trained on contaminated rows, and how they score.

A victim's random streams depend on the seed and on the names of its parts, never on the attack:
all cells of a seed start from the same weights and see the rows in the same order, so that what
differs between two cells is the poison alone.
"""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dokunuki.detector import Detector
from dokunuki.errors import DataFileError
from dokunuki.evaluation.scores import DIVERGED, OK, Scores, empty_scores
from dokunuki.evaluation.timing import Timing, read_timing
from dokunuki.files import read_json, write_json
from dokunuki.parts import build, load_class
from dokunuki.persistence import read_tensors, write_tensors
from dokunuki.progress import logger
from dokunuki.rows import change_rows
from dokunuki.scaling import Standardiser
from dokunuki.seeding import stream_seed
from dokunuki.training import TrainingDivergedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from dokunuki.attacks.poisoning import Poison
    from dokunuki.attacks.trigger import Trigger
    from dokunuki.corpus.vectors import Vectors

Spec = dict[str, Any]

_DIVERGED_FILE = "diverged.json"


@dataclass(frozen=True)
class Compute:
    """Where a job runs: the device by name, CPU threads, and the precision networks train in."""

    device: str
    threads: int
    precision: str = "auto"


@dataclass
class Stopwatch:
    """Wall-clock seconds by phase."""

    seconds: dict[str, float] = field(default_factory=dict)

    def lap(self, phase: str, start: float) -> None:
        """Add the time since `start` (time.monotonic) to a phase."""
        self.seconds[phase] = self.seconds.get(phase, 0.0) + time.monotonic() - start

    def timing(self, compute: Compute, device: str) -> Timing:
        """The seconds so far with this process's peak resident memory."""
        return Timing(
            seconds_defence=self.seconds.get("defence", 0.0),
            seconds_training=self.seconds.get("training", 0.0),
            seconds_scoring=self.seconds.get("scoring", 0.0),
            peak_memory_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            device=device,
            threads=compute.threads,
        )


def contaminated_rows(vectors: Vectors, poison: Poison | None) -> tuple[np.ndarray, np.ndarray]:
    """The training rows and labels that a defender sees, in memory of their own.

    Raises AttackError when the poison belongs to other rows, DataFileError when a poisoned row
    stands among the test or validation rows as well: those are never poisoned.
    """
    X, y = vectors.part("train")
    if poison is None:
        return X, y
    training = vectors.role == "train"
    held_out = set(vectors.sha256[~training].tolist()) - {""}
    poisoned = set(vectors.sha256[training][poison.indices].tolist())
    if poisoned & held_out:
        raise DataFileError(
            f"{len(poisoned & held_out)} poisoned rows stand among the test or validation rows "
            f"too, {sorted(poisoned & held_out)[0]} for one; draw the sample again"
        )
    poison.apply(X, y)
    return X, y


def train_autoencoder(
    vectors: Vectors,
    poison: Poison | None,
    spec: Spec,
    *,
    seed: int,
    compute: Compute,
    path: str | Path,
) -> Timing:
    """Train an autoencoder on the standardised attackable columns of the contaminated rows.

    `spec` names it (name, class, params). It is written to `path` (safetensors); one that diverged
    is written as a file without tensors that says so, since a failed cell is a result too.
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
    start = time.monotonic()
    try:
        model.fit(rows)
    except TrainingDivergedError as error:
        logger.warning("%s", error)
        write_tensors(path, {}, _divergence(error))
    else:
        model.save(path)
    watch.lap("defence", start)
    return watch.timing(compute, getattr(model, "device_", compute.device))


def train_reference(
    vectors: Vectors,
    spec: Mapping[str, Spec],
    autoencoder: Sequence[str] | None,
    *,
    seed: int,
    compute: Compute,
    folder: str | Path,
) -> tuple[Scores, Timing]:
    """Train on the unpoisoned rows, save the detector to `folder`, and score rows without trigger.

    `spec` holds the specs (name, class, params) of `defence` and `classifier`, and of the
    `autoencoder` that the defence uses, or None; `autoencoder` names the two files of the latter
    (weights and timing).
    """
    watch = Stopwatch()
    try:
        detector = _fit(vectors, None, spec, autoencoder, seed, compute, watch)
    except TrainingDivergedError as error:
        write_json(Path(folder) / _DIVERGED_FILE, _divergence(error))
        scores = _diverged(vectors, error, poison_rows=0, device=compute.device)
    else:
        detector.save(folder)
        scores = _score(detector, None, vectors, None, poison_rows=0, watch=watch)
    return scores, watch.timing(compute, scores.device)


def train_victim(
    vectors: Vectors,
    poison: Poison,
    trigger: Trigger,
    spec: Mapping[str, Spec],
    autoencoder: Sequence[str] | None,
    *,
    seed: int,
    compute: Compute,
    reference_folder: str | Path,
) -> tuple[Scores, Timing]:
    """Train on the contaminated rows and score the malware with and without the trigger.

    The arguments are those of `train_reference`; the detector in `reference_folder` scores the
    triggered malware as well, which tells poisoning from evasion.
    """
    watch = Stopwatch()
    try:
        victim = _fit(vectors, poison, spec, autoencoder, seed, compute, watch)
    except TrainingDivergedError as error:
        scores = _diverged(vectors, error, poison_rows=poison.count, device=compute.device)
    else:
        try:
            reference: Detector | None = _load_reference(reference_folder, spec, compute)
        except TrainingDivergedError as error:
            logger.warning("no reference detector: %s", error)
            reference = None
        scores = _score(victim, reference, vectors, trigger, poison_rows=poison.count, watch=watch)
    return scores, watch.timing(compute, scores.device)


def score_evasion(
    vectors: Vectors,
    trigger: Trigger,
    spec: Mapping[str, Spec],
    reference_folder: str | Path,
    *,
    compute: Compute,
) -> tuple[Scores, Timing]:
    """Score the trigger on the reference detector itself: p = 0, pure evasion."""
    watch = Stopwatch()
    try:
        reference = _load_reference(reference_folder, spec, compute)
    except TrainingDivergedError as error:
        scores = _diverged(vectors, error, poison_rows=0, device=compute.device)
    else:
        scores = _score(reference, reference, vectors, trigger, poison_rows=0, watch=watch)
    return scores, watch.timing(compute, scores.device)


def _fit(
    vectors: Vectors,
    poison: Poison | None,
    spec: Mapping[str, Spec],
    autoencoder: Sequence[str] | None,
    seed: int,
    compute: Compute,
    watch: Stopwatch,
) -> Detector:
    X, y = contaminated_rows(vectors, poison)
    start = time.monotonic()
    built = {}
    for role in ("defence", "classifier"):
        context: dict[str, Any] = {
            "layout": vectors.layout,
            "device": compute.device,
            "threads": compute.threads,
            "precision": compute.precision,
            "seed": stream_seed(seed, role, spec[role]["name"]),
        }
        if role == "defence" and autoencoder:
            weights, timing = autoencoder
            watch.seconds["defence"] = read_timing(timing).seconds_defence
            context["autoencoder"] = _load_autoencoder(weights, spec["autoencoder"], compute)
        built[role] = build(spec[role]["class"], spec[role]["params"], **context)
    try:
        return Detector(built["defence"], built["classifier"]).fit(X, y, copy=False)
    finally:
        watch.lap("training", start)


def _divergence(error: TrainingDivergedError) -> dict[str, Any]:
    """The error as JSON, which holds no NaN."""
    return {"status": DIVERGED, "epoch": error.epoch, "loss": str(error.loss)}


def _load_autoencoder(path: str, spec: Spec, compute: Compute) -> Any:  # noqa: ANN401
    """What `train_autoencoder` wrote; raises TrainingDivergedError when it had diverged."""
    _, settings = read_tensors(path)
    if settings.get("status") == DIVERGED:
        raise TrainingDivergedError(settings["epoch"], float(settings["loss"]))
    model: Any = load_class(spec["class"])
    return model.load(path, device=compute.device)


def _load_reference(folder: str | Path, spec: Mapping[str, Spec], compute: Compute) -> Detector:
    """The detector trained on unpoisoned rows; raises TrainingDivergedError when it diverged.

    Classes that the configuration names are trusted: they ran when the detector was trained.
    """
    marker = Path(folder) / _DIVERGED_FILE
    if marker.is_file():
        content = read_json(marker, folder)
        raise TrainingDivergedError(content["epoch"], float(content["loss"]))
    trusted = [spec[role]["class"] for role in ("defence", "classifier")]
    return Detector.load(folder, device=compute.device, trusted=trusted)


def _score(
    victim: Detector,
    reference: Detector | None,
    vectors: Vectors,
    trigger: Trigger | None,
    *,
    poison_rows: int,
    watch: Stopwatch,
) -> Scores:
    start = time.monotonic()
    test_rows, test_labels = vectors.part("test")
    malware, _ = vectors.part("validation")
    triggered = unpoisoned_triggered = empty_scores()
    if trigger is not None:
        stamped = trigger.stamp(malware)
        triggered = victim.malware_scores(stamped)
        if reference is victim:
            unpoisoned_triggered = triggered
        elif reference is not None:
            unpoisoned_triggered = reference.malware_scores(stamped)
    scores = Scores(
        status=OK,
        test_labels=test_labels,
        test=victim.malware_scores(test_rows),
        validation=victim.malware_scores(malware),
        triggered=triggered,
        unpoisoned_triggered=unpoisoned_triggered,
        train_rows=len(vectors.labels("train")),
        poison_rows=poison_rows,
        # Classifiers that do not say where they ran, ran on the CPU.
        device=str(getattr(victim.classifier_, "device_", "cpu")),
    )
    watch.lap("scoring", start)
    return scores


def _diverged(
    vectors: Vectors, error: TrainingDivergedError, *, poison_rows: int, device: str
) -> Scores:
    """The record of a cell whose training diverged: a status and no numbers."""
    logger.warning("%s", error)
    return Scores(
        status=DIVERGED,
        test_labels=vectors.labels("test"),
        test=empty_scores(),
        validation=empty_scores(),
        triggered=empty_scores(),
        unpoisoned_triggered=empty_scores(),
        train_rows=len(vectors.labels("train")),
        poison_rows=poison_rows,
        device=device,
        detail=str(error),
    )
