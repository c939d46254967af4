"""The victims of an attack: detectors trained on contaminated rows, and how they score.

A victim's random streams depend on the seed and on the names of its parts, never on the attack:
all cells of a seed start from the same weights and see the rows in the same order, so that what
differs between two cells is the poison alone.
"""

from __future__ import annotations

import hashlib
import resource
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dokunuki.detector import Detector
from dokunuki.errors import DataFileError
from dokunuki.networks.training import TrainingDivergedError
from dokunuki.parts.building import build, classes_of, load_class
from dokunuki.parts.saving import read_tensors, write_tensors
from dokunuki.parts.standardising import Standardiser
from dokunuki.progress import logger
from dokunuki.seeding import stream_seed
from dokunuki.storage.files import read_json, write_json
from dokunuki.storage.row_blocks import change_rows, row_blocks
from dokunuki.victims.calibration import calibration_rows
from dokunuki.victims.cost import Timing, read_timing
from dokunuki.victims.scores import DIVERGED, OK, EvasionKey, Scores, empty_scores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

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

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the time within to a phase."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - start

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

    Raises AttackError when the poison belongs to other rows, DataFileError when a poisoned row has
    another role as well: of those, none is this poison's.
    """
    X, y = vectors.part("train")
    if poison is None:
        return X, y
    training = vectors.role == "train"
    held_out = set(vectors.sha256[~training].tolist()) - {""}
    poisoned = set(vectors.sha256[training][poison.indices].tolist())
    if poisoned & held_out:
        raise DataFileError(
            f"{len(poisoned & held_out)} poisoned rows stand among the rows that are held out too, "
            f"{sorted(poisoned & held_out)[0]} for one; draw the sample again"
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
    with watch.phase("defence"):
        try:
            model.fit(rows)
        except TrainingDivergedError as error:
            logger.warning("%s", error)
            write_tensors(path, {}, _divergence(error))
        else:
            model.save(path)
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
    (weights and timing). `knowledge` in the defence's spec says whether it is told the `clean_rows`
    and the `poison`. The scores say by sha256 what the classifier was given, for `train_victim` to
    compare.
    """
    watch = Stopwatch()
    try:
        with watch.phase("training"):
            detector = _detector(vectors, spec, autoencoder, seed, compute, watch)
            rows, labels, facts = _fit_defence(detector, vectors, None, spec)
            digest = _sha256([rows, labels])
            detector.fit_classifier(rows, labels)
            del rows  # not held beside the rows to score
    except TrainingDivergedError as error:
        write_json(Path(folder) / _DIVERGED_FILE, _divergence(error))
        scores = _diverged(vectors, error, poison_rows=0, device=compute.device)
    else:
        detector.save(folder)
        with watch.phase("scoring"):
            calibration = vectors.part("calibration")
            scores = replace(
                _score(detector, vectors, None, calibration),
                **facts,
                training_sha256=digest,
                test_sha256=_represented_sha256(detector, vectors.part("test")[0]),
                validation_sha256=_represented_sha256(detector, vectors.part("validation")[0]),
                calibration_sha256=_represented_sha256(detector, *calibration),
            )
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
    reference: Scores,
    poison_seed: int | None = None,
) -> tuple[Scores, Timing]:
    """Train on the contaminated rows and score the malware with and without the trigger.

    The arguments are those of `train_reference`; `reference` are the scores that it gave for the
    same parts and seed, and `poison_seed` (by default `seed`) draws the calibration rows that are
    poisoned. Where the defence turns all that the classifier is given, triggered malware
    included, into what it was given there, the same training would give the same scores: they are
    taken, and nothing is trained.
    """
    watch = Stopwatch()
    # Read when they are needed, so as not to lie beside the training rows.
    calibration = partial(
        calibration_rows,
        vectors,
        poison,
        trigger,
        seed=seed if poison_seed is None else poison_seed,
    )
    try:
        with watch.phase("training"):
            victim = _detector(vectors, spec, autoencoder, seed, compute, watch)
            rows, labels, facts = _fit_defence(victim, vectors, poison, spec)
            # What a defence is told may differ where the rows do not.
            if not any(_told(spec).values()) and _already_trained(
                victim, rows, labels, vectors, trigger, calibration, reference
            ):
                logger.info("the classifier is given what the reference was: its scores are taken")
                scores = replace(reference, triggered=reference.validation, **facts)
                return scores, watch.timing(compute, scores.device)
            victim.fit_classifier(rows, labels)
            del rows  # not held beside the rows to score
    except TrainingDivergedError as error:
        scores = _diverged(vectors, error, poison_rows=poison.count, device=compute.device)
    else:
        with watch.phase("scoring"):
            scores = replace(_score(victim, vectors, trigger, calibration()), **facts)
    return scores, watch.timing(compute, scores.device)


def score_evasion(
    vectors: Vectors,
    trigger: Trigger,
    sizes: Sequence[int],
    references: Sequence[tuple[Mapping[str, Spec], str | Path]],
    *,
    device: str,
) -> dict[EvasionKey, np.ndarray]:
    """Score the malware with triggers on detectors trained without poison: pure evasion.

    `references` are the specs of detectors and the folders that `train_reference` saved them to;
    every one meets the first N features of the trigger, for all N in `sizes`. Float32 (m,) each,
    and empty for a detector that diverged.
    """
    malware, _ = vectors.part("validation")
    scores = {}
    for spec, folder in references:
        try:
            reference: Detector | None = _load_reference(folder, spec, device)
        except TrainingDivergedError as error:
            logger.warning("no reference detector in %s: %s", folder, error)
            reference = None
        for size in sizes:
            key = EvasionKey(spec["defence"]["name"], spec["classifier"]["name"], size)
            scores[key] = (
                empty_scores()
                if reference is None
                else reference.malware_scores(trigger.prefix(size).stamp(malware))
            )
    return scores


def _told(spec: Mapping[str, Spec]) -> dict[str, bool]:
    """Whether the defence is told the `clean_rows` and the `poison`."""
    knowledge = spec["defence"].get("knowledge", {})
    return {key: bool(knowledge.get(key)) for key in ("clean_rows", "poison")}


def _fit_defence(
    detector: Detector, vectors: Vectors, poison: Poison | None, spec: Mapping[str, Spec]
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """What the classifier is to be trained on, after the defence saw what it may see.

    With it, by the names of the scores, what is to be recorded of the poison and of a filter.
    """
    X, y = contaminated_rows(vectors, poison)
    told = _told(spec)
    poisoned = np.zeros(len(y), dtype=bool)
    facts: dict[str, Any] = {}
    if poison is not None:
        poisoned[poison.indices] = True
        facts = {"poison_rows": poison.count}
        if detector.certificate:
            flipped = np.count_nonzero(poison.labels != poison.poisoned_class)
            facts["flipped_rows"] = int(flipped)
    rows, labels = detector.fit_defence(
        X,
        y,
        copy=False,
        clean=vectors.part("clean") if told["clean_rows"] else None,
        poison=poisoned if told["poison"] else None,
    )
    if detector.kept_indices_ is not None:
        removed = np.ones(len(y), dtype=bool)
        removed[detector.kept_indices_] = False
        facts |= {
            "poison_removed": int(np.count_nonzero(removed & poisoned)),
            "goodware_removed": int(np.count_nonzero(removed & ~poisoned & (y == 0))),
            "malware_removed": int(np.count_nonzero(removed & ~poisoned & (y == 1))),
            "goodware_rows": int(np.count_nonzero(~poisoned & (y == 0))),
        }
    return rows, labels, facts


def _already_trained(
    victim: Detector,
    rows: np.ndarray,
    labels: np.ndarray,
    vectors: Vectors,
    trigger: Trigger,
    calibration: Callable[[], tuple[np.ndarray, np.ndarray]],
    reference: Scores,
) -> bool:
    """Whether the victim's classifier is given, byte for byte, what the reference's was given.

    That is the rows and labels to train on, the test rows, the calibration rows as the defender
    has them, and the malware, with the trigger and without. The cheapest question, which mostly
    settles it, comes first.
    """
    if reference.status != OK or _sha256([rows, labels]) != reference.training_sha256:
        return False
    malware, _ = vectors.part("validation")
    return (
        _represented_sha256(victim, *calibration()) == reference.calibration_sha256
        and _represented_sha256(victim, vectors.part("test")[0]) == reference.test_sha256
        and _represented_sha256(victim, malware)
        == _represented_sha256(victim, trigger.stamp(malware))
        == reference.validation_sha256
    )


def _sha256(arrays: Iterable[np.ndarray]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _represented_sha256(detector: Detector, X: np.ndarray, *labels: np.ndarray) -> str:
    """The sha256 of what the detector's classifier is given of raw rows, and of their labels."""
    represented = (detector.represent(X[rows]) for rows in row_blocks(len(X)))
    return _sha256(chain(represented, labels)) if len(X) else ""


@dataclass(frozen=True)
class _Unfitted:
    """Gives new instances of the victim's classifier, for a defence that trains models of its own.

    A class, since a detector's description holds the `repr` of what a defence was made with.
    """

    class_path: str
    params: Mapping[str, Any]
    context: Mapping[str, Any] = field(repr=False)

    def __call__(self) -> Any:  # noqa: ANN401 - by protocol
        return build(self.class_path, self.params, **self.context)


def _detector(
    vectors: Vectors,
    spec: Mapping[str, Spec],
    autoencoder: Sequence[str] | None,
    seed: int,
    compute: Compute,
    watch: Stopwatch,
) -> Detector:
    """The defence and the classifier that a spec names, not fitted."""
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
        if role == "defence":
            stream = stream_seed(seed, "classifier of a defence", spec["defence"]["name"])
            context["classifier"] = _Unfitted(
                spec["classifier"]["class"],
                spec["classifier"]["params"],
                {**context, "seed": stream},
            )
        built[role] = build(spec[role]["class"], spec[role]["params"], **context)
    return Detector(built["defence"], built["classifier"])


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


def _load_reference(folder: str | Path, spec: Mapping[str, Spec], device: str) -> Detector:
    """The detector trained on unpoisoned rows; raises TrainingDivergedError when it diverged.

    Classes that the configuration names are trusted: they ran when the detector was trained.
    """
    marker = Path(folder) / _DIVERGED_FILE
    if marker.is_file():
        content = read_json(marker, folder)
        raise TrainingDivergedError(content["epoch"], float(content["loss"]))
    trusted = [path for role in ("defence", "classifier") for path in classes_of(spec[role])]
    return Detector.load(folder, device=device, trusted=trusted)


def _score(
    detector: Detector,
    vectors: Vectors,
    trigger: Trigger | None,
    calibration: tuple[np.ndarray, np.ndarray],
) -> Scores:
    test_rows, test_labels = vectors.part("test")
    malware, _ = vectors.part("validation")
    set_aside, set_aside_labels = calibration
    return Scores(
        status=OK,
        test_labels=test_labels,
        test=detector.malware_scores(test_rows),
        validation=detector.malware_scores(malware),
        triggered=detector.malware_scores(trigger.stamp(malware)) if trigger else empty_scores(),
        train_rows=len(vectors.labels("train")),
        poison_rows=0,
        # Classifiers that do not say where they ran, ran on the CPU.
        device=str(getattr(detector.classifier_, "device_", "cpu")),
        calibration_labels=set_aside_labels,
        calibration=detector.malware_scores(set_aside),
        certificate=detector.certificate,
        test_radius=detector.certified_radius(test_rows),
    )


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
        train_rows=len(vectors.labels("train")),
        poison_rows=poison_rows,
        device=device,
        detail=str(error),
    )
