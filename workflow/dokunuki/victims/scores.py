"""The scores of the detectors: all that the measures are computed from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dokunuki.errors import damaged_file
from dokunuki.storage.arrays import open_arrays, read_array, read_attributes, write_arrays

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

OK = "ok"
DIVERGED = "diverged"
STATUSES = (OK, DIVERGED)

_DTYPES = {
    "test_labels": np.int8,
    "test": np.float32,
    "validation": np.float32,
    "triggered": np.float32,
}
# In the file only for runs that have such rows, a filter or a certificate.
_OPTIONAL_DTYPES = {
    "calibration_labels": np.int8,
    "calibration": np.float32,
    "test_radius": np.int32,
}
_ATTRIBUTES = (
    "status",
    "train_rows",
    "poison_rows",
    "device",
    "detail",
    "training_sha256",
    "test_sha256",
    "validation_sha256",
)
_OPTIONAL_ATTRIBUTES = (
    "calibration_sha256",
    "flipped_rows",
    "poison_removed",
    "goodware_removed",
    "malware_removed",
    "goodware_rows",
    "certificate",
)
CERTIFICATES = ("rows", "features")


def empty_scores() -> np.ndarray:
    """No scores: float32 of shape (0,), for what a run does not have."""
    return np.empty(0, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Scores:
    """Malware probabilities that one defended detector gives to the rows it is judged on.

    `test_labels` int8 (n,) and `test` float32 (n,) are the clean test rows; `validation` float32
    (m,) are the validation malware as they are, and `triggered` the same rows in the same order
    with the trigger stamped in: empty where there is none. When `status` is "diverged" no score
    counts, and `detail` says what happened.

    The `..._sha256` tell what the classifier was given: the rows and labels to train on, the test
    and the validation rows, the calibration rows and their labels. They are those of an unpoisoned
    detector, also in a victim that took its scores, and empty elsewhere.

    `calibration` float32 (c,) are the rows set aside to choose thresholds by, and
    `calibration_labels` int8 (c,) their labels as the defender sees them. Both are empty where
    there are none.

    `poison_removed`, `goodware_removed` and `malware_removed` count the training rows that a filter
    removed, or gave another label. A poisoned row counts as poison alone; the others count by the
    label that the defender sees. `goodware_rows` is how many goodware rows without poison there
    were. All are None where the defence is no filter.

    `certificate` says what an attacker may alter under a certified defence, "rows" or "features".
    `test_radius` int32 (n,) says how many of them at most, for each test row to be classified as it
    was. Both are empty elsewhere. `flipped_rows` counts the training rows whose label the poison
    changed, which no certificate of features covers; it is 0 without a certificate.

    Raises `ValueError` for lengths that do not match, labels other than 0 and 1, scores outside
    [0, 1] and negative counts.
    """

    status: str
    test_labels: np.ndarray
    test: np.ndarray
    validation: np.ndarray
    triggered: np.ndarray
    train_rows: int
    poison_rows: int
    device: str
    detail: str = ""
    training_sha256: str = ""
    test_sha256: str = ""
    validation_sha256: str = ""
    calibration_labels: np.ndarray = field(default_factory=empty_scores)
    calibration: np.ndarray = field(default_factory=empty_scores)
    calibration_sha256: str = ""
    flipped_rows: int = 0
    poison_removed: int | None = None
    goodware_removed: int | None = None
    malware_removed: int | None = None
    goodware_rows: int | None = None
    test_radius: np.ndarray = field(default_factory=empty_scores)
    certificate: str = ""

    def __post_init__(self) -> None:
        for name, dtype in (_DTYPES | _OPTIONAL_DTYPES).items():
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=dtype))
        if self.status not in STATUSES:
            raise ValueError(f"status is {self.status!r}, not one of {', '.join(STATUSES)}")
        if self.train_rows < 0 or not 0 <= self.poison_rows <= self.train_rows:
            raise ValueError(
                f"{self.poison_rows} poison rows do not fit into {self.train_rows} training rows"
            )
        if self.status == OK:
            self._check_scores()

    def _check_scores(self) -> None:
        if len(self.test_labels) != len(self.test):
            raise ValueError(f"{len(self.test_labels)} test labels for {len(self.test)} scores")
        if not np.isin(self.test_labels, (0, 1)).all():
            raise ValueError("test_labels holds labels other than 0 and 1")
        if len(self.triggered) not in (0, len(self.validation)):
            raise ValueError(
                f"{len(self.triggered)} scores in triggered for {len(self.validation)} "
                "validation rows"
            )
        if len(self.calibration_labels) != len(self.calibration):
            raise ValueError(
                f"{len(self.calibration_labels)} labels for {len(self.calibration)} scores of "
                "calibration rows"
            )
        for name in ("test", "validation", "triggered", "calibration"):
            scores = getattr(self, name)
            # Written so that NaN fails too.
            if not np.all((scores >= 0) & (scores <= 1)):
                raise ValueError(f"{name} holds scores that are no probabilities in [0, 1]")
        self._check_filter()
        self._check_certificate()

    def _check_filter(self) -> None:
        counts = (self.poison_removed, self.goodware_removed, self.malware_removed)
        if all(count is None for count in (*counts, self.goodware_rows)):
            return
        if (
            self.goodware_rows is None
            or any(count is None or count < 0 for count in counts)
            or (self.poison_removed or 0) > self.poison_rows
            or (self.goodware_removed or 0) > self.goodware_rows
        ):
            raise ValueError(
                f"a filter that removed {self.poison_removed} of {self.poison_rows} poison rows, "
                f"{self.goodware_removed} of {self.goodware_rows} goodware and "
                f"{self.malware_removed} malware"
            )

    def _check_certificate(self) -> None:
        if self.certificate not in ("", *CERTIFICATES):
            raise ValueError(
                f"certificate is {self.certificate!r}, not one of {', '.join(CERTIFICATES)}"
            )
        if len(self.test_radius) != (len(self.test) if self.certificate else 0):
            raise ValueError(
                f"{len(self.test_radius)} radii of certificate {self.certificate!r} for "
                f"{len(self.test)} test rows"
            )
        if np.any(self.test_radius < 0):
            raise ValueError("test_radius holds negative radii; 0 is no guarantee")


def write_scores(path: str | Path, scores: Scores) -> None:
    """Write the scores as HDF5; equal scores give equal bytes."""
    arrays = {name: getattr(scores, name) for name in _DTYPES}
    arrays |= {
        name: values for name in _OPTIONAL_DTYPES if len(values := getattr(scores, name)) > 0
    }
    attributes = {name: getattr(scores, name) for name in _ATTRIBUTES}
    attributes |= {
        name: value
        for name in _OPTIONAL_ATTRIBUTES
        if (value := getattr(scores, name)) != getattr(Scores, name)
    }
    write_arrays(path, arrays, attributes)


def read_scores(path: str | Path) -> Scores:
    """Read what `write_scores` wrote; raises `DataFileError` for anything else."""
    with open_arrays(path) as file:
        content: dict[str, Any] = {name: read_array(file, name) for name in _DTYPES}
        content |= {name: read_array(file, name) for name in _OPTIONAL_DTYPES if name in file}
        attributes = read_attributes(file)
    content |= {name: attributes[name] for name in _OPTIONAL_ATTRIBUTES if name in attributes}
    try:
        return Scores(**content, **{name: attributes[name] for name in _ATTRIBUTES})
    except KeyError as error:
        problem = f"has no attribute {error}"
    except ValueError as error:
        problem = str(error)
    raise damaged_file(path, problem)


class EvasionKey(NamedTuple):
    """Which unpoisoned detector met how long a trigger."""

    defence: str
    classifier: str
    size: int


def write_evasion(path: str | Path, scores: Mapping[EvasionKey, np.ndarray]) -> None:
    """Write what unpoisoned detectors give to the validation malware with an attack's triggers.

    The scores are float32 (m,), in the order of the validation malware, or empty where the
    detector diverged.
    """
    arrays = {_dataset(key): values.astype(np.float32) for key, values in scores.items()}
    write_arrays(path, arrays)


def read_evasion(path: str | Path, key: EvasionKey) -> np.ndarray:
    """The scores of one detector and trigger; raises `DataFileError` when they are not there."""
    with open_arrays(path) as file:
        return read_array(file, _dataset(key))


def _dataset(key: EvasionKey) -> str:
    return f"{key.defence}/{key.classifier}/{key.size}"
