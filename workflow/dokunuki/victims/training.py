"""The victims of an attack: detectors trained on contaminated rows, and how they score.

A victim's random streams depend on the seed and on the names of its parts, never on the attack:
all runs of a seed start from the same weights and see the rows in the same order, so that only the
poison differs between two of them.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dokunuki.networks.settings import TrainingDivergedError
from dokunuki.progress import logger
from dokunuki.storage.files import write_json
from dokunuki.storage.row_blocks import row_blocks
from dokunuki.victims.autoencoders import load_autoencoder
from dokunuki.victims.building import build_detector, told
from dokunuki.victims.calibration import calibration_rows
from dokunuki.victims.contamination import contaminated_rows
from dokunuki.victims.cost import Cost, Stopwatch, read_cost
from dokunuki.victims.divergence import DIVERGED_FILE, divergence
from dokunuki.victims.row_choices import read_row_choice
from dokunuki.victims.scores import DIVERGED, OK, Scores, empty_scores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from dokunuki.attacks.poisoning import Poison
    from dokunuki.attacks.trigger import Trigger
    from dokunuki.corpus.vectors import Vectors
    from dokunuki.defences.row_choice import RowChoice
    from dokunuki.detector import Detector
    from dokunuki.victims.compute import Compute

Spec = dict[str, Any]


def train_unpoisoned(
    vectors: Vectors,
    spec: Mapping[str, Spec],
    autoencoder: Sequence[str] | None,
    *,
    seed: int,
    compute: Compute,
    folder: str | Path,
    row_choice: Sequence[str] | None = None,
) -> tuple[Scores, Cost]:
    """Train on the unpoisoned rows, save the detector to `folder`, and score rows without trigger.

    `spec` holds the specs of the `defence` (name, steps of class and params, and `told`, whether it
    is told the `clean_rows` and the `poison`), of the `classifier` (name, class, params) and of the
    `autoencoder` that the defence uses, or None; `autoencoder` names the two files of the latter
    (weights and cost). `row_choice` names the files of the rows that the defence's first samplers
    left (see `dokunuki.victims.row_choices`) and of its cost, where they were chosen before. The
    scores say by sha256 what the classifier was given, for `train_victim` to compare.
    """
    watch = Stopwatch()
    try:
        with watch.phase("training"):
            detector = _built(vectors, spec, autoencoder, seed, compute, watch)
            chosen = _chosen(row_choice, watch)
            rows, labels, facts = _fit_defence(detector, vectors, None, spec, chosen)
            digest = _sha256([rows, labels])
            detector.fit_classifier(rows, labels)
            del rows  # not held beside the rows to score
    except TrainingDivergedError as error:
        write_json(Path(folder) / DIVERGED_FILE, divergence(error))
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
    return scores, watch.cost(compute, scores.device)


def train_victim(
    vectors: Vectors,
    poison: Poison,
    trigger: Trigger,
    spec: Mapping[str, Spec],
    autoencoder: Sequence[str] | None,
    *,
    seed: int,
    compute: Compute,
    unpoisoned: Scores,
    poison_seed: int | None = None,
    row_choice: Sequence[str] | None = None,
) -> tuple[Scores, Cost]:
    """Train on the contaminated rows and score the malware with and without the trigger.

    The arguments are those of `train_unpoisoned`. `unpoisoned` are the scores that it gave for the
    same parts and seed. `poison_seed` (by default `seed`) draws the calibration rows that are
    poisoned. Some defences leave the classifier with what the unpoisoned detector's was given, also
    of triggered malware. The same training would give the same scores then: `unpoisoned` are
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
            victim = _built(vectors, spec, autoencoder, seed, compute, watch)
            chosen = _chosen(row_choice, watch)
            rows, labels, facts = _fit_defence(victim, vectors, poison, spec, chosen)
            # What a defence is told may differ where the rows do not.
            if not any(told(spec).values()) and _already_trained(
                victim, rows, labels, vectors, trigger, calibration, unpoisoned
            ):
                logger.info(
                    "the classifier gets the same rows as the unpoisoned one: its scores are taken"
                )
                scores = replace(unpoisoned, triggered=unpoisoned.validation, **facts)
                return scores, watch.cost(compute, scores.device)
            victim.fit_classifier(rows, labels)
            del rows  # not held beside the rows to score
    except TrainingDivergedError as error:
        scores = _diverged(vectors, error, poison_rows=poison.count, device=compute.device)
    else:
        with watch.phase("scoring"):
            scores = replace(_score(victim, vectors, trigger, calibration()), **facts)
    return scores, watch.cost(compute, scores.device)


def _fit_defence(
    detector: Detector,
    vectors: Vectors,
    poison: Poison | None,
    spec: Mapping[str, Spec],
    chosen: RowChoice | None,
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """The rows and labels that the classifier is to be trained on, after the defence.

    The third value holds what `Scores` records of the poison and of a filter, by field.
    """
    X, y = contaminated_rows(vectors, poison)
    knows = told(spec)
    poisoned = np.zeros(len(y), dtype=bool)
    facts: dict[str, Any] = {}
    if poison is not None:
        poisoned[poison.indices] = True
        facts = {"poison_rows": poison.count}
        if detector.certificate:
            flipped = np.count_nonzero(poison.labels != poison.poisoned_class)
            facts["flipped_rows"] = int(flipped)
    rows, labels = detector.fit_defences(
        X,
        y.copy(),  # a sampler of others may change labels in place
        copy=False,
        clean=vectors.part("clean") if knows["clean_rows"] else None,
        poison=poisoned if knows["poison"] else None,
        chosen=chosen,
    )
    if detector.kept_indices_ is not None:
        # A row whose label was changed was found as well as one that was left out.
        removed = np.ones(len(y), dtype=bool)
        removed[detector.kept_indices_] = labels != y[detector.kept_indices_]
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
    unpoisoned: Scores,
) -> bool:
    """Whether the victim's classifier is given what the unpoisoned detector's was, byte for byte.

    Compared are the rows and labels to train on, the test rows, the calibration rows as the
    defender has them, and the malware, with the trigger and without. The cheapest comparison comes
    first, since it mostly settles the matter.
    """
    if unpoisoned.status != OK or _sha256([rows, labels]) != unpoisoned.training_sha256:
        return False
    malware, _ = vectors.part("validation")
    return (
        _represented_sha256(victim, *calibration()) == unpoisoned.calibration_sha256
        and _represented_sha256(victim, vectors.part("test")[0]) == unpoisoned.test_sha256
        and _represented_sha256(victim, malware)
        == _represented_sha256(victim, trigger.stamp(malware))
        == unpoisoned.validation_sha256
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


def _built(
    vectors: Vectors,
    spec: Mapping[str, Spec],
    autoencoder: Sequence[str] | None,
    seed: int,
    compute: Compute,
    watch: Stopwatch,
) -> Detector:
    """The detector of a spec, not fitted. Its autoencoder's time counts as its own."""
    model = None
    if autoencoder:
        weights, cost = autoencoder
        watch.add("defence", read_cost(cost).seconds_defence)
        model = load_autoencoder(weights, spec["autoencoder"], compute.device)
    return build_detector(spec, vectors.layout, seed=seed, compute=compute, autoencoder=model)


def _chosen(row_choice: Sequence[str] | None, watch: Stopwatch) -> RowChoice | None:
    """The rows that were chosen before. The time that it took counts as the detector's own."""
    if not row_choice:
        return None
    choice, cost = row_choice
    watch.add("defence", read_cost(cost).seconds_defence)
    return read_row_choice(choice)


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
    """The record of a run whose training diverged: a status and no numbers."""
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
