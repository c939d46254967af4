"""The scores of the detectors: all that the measures are computed from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dokunuki.errors import damaged_file
from dokunuki.storage import open_arrays, read_array, read_attributes, write_arrays

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


def empty_scores() -> np.ndarray:
    """No scores: float32 of shape (0,), for what a cell does not have."""
    return np.empty(0, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Scores:
    """Malware probabilities that one defended detector gives to the rows it is judged on.

    `test_labels` int8 (n,) and `test` float32 (n,) are the clean test rows; `validation` float32
    (m,) are the validation malware as they are, and `triggered` the same rows in the same order
    with the trigger stamped in: empty where there is none. When `status` is "diverged" no score
    counts, and `detail` says what happened.

    Of a reference detector, and of a victim that took its scores, the sha256 of what the classifier
    was given: the rows and labels to train on, the test and the validation rows. Empty elsewhere.

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

    def __post_init__(self) -> None:
        for name, dtype in _DTYPES.items():
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
        for name in ("test", "validation", "triggered"):
            scores = getattr(self, name)
            # Written so that NaN fails too.
            if not np.all((scores >= 0) & (scores <= 1)):
                raise ValueError(f"{name} holds scores that are no probabilities in [0, 1]")


def write_scores(path: str | Path, scores: Scores) -> None:
    """Write the scores as HDF5; equal scores give equal bytes."""
    write_arrays(
        path,
        {name: getattr(scores, name) for name in _DTYPES},
        {name: getattr(scores, name) for name in _ATTRIBUTES},
    )


def read_scores(path: str | Path) -> Scores:
    """Read what `write_scores` wrote; raises `DataFileError` for anything else."""
    with open_arrays(path) as file:
        content: dict[str, Any] = {name: read_array(file, name) for name in _DTYPES}
        attributes = read_attributes(file)
    try:
        return Scores(**content, **{name: attributes[name] for name in _ATTRIBUTES})
    except KeyError as error:
        problem = f"has no attribute {error}"
    except ValueError as error:
        problem = str(error)
    raise damaged_file(path, problem)


class EvasionKey(NamedTuple):
    """Which reference detector met how long a trigger."""

    defence: str
    classifier: str
    size: int


def write_evasion(path: str | Path, scores: Mapping[EvasionKey, np.ndarray]) -> None:
    """Write what reference detectors give to the validation malware with an attack's triggers.

    The scores are float32 (m,), in the order of the validation malware, or empty where the
    reference detector diverged.
    """
    arrays = {_dataset(key): values.astype(np.float32) for key, values in scores.items()}
    write_arrays(path, arrays)


def read_evasion(path: str | Path, key: EvasionKey) -> np.ndarray:
    """The scores of one detector and trigger; raises `DataFileError` when they are not there."""
    with open_arrays(path) as file:
        return read_array(file, _dataset(key))


def _dataset(key: EvasionKey) -> str:
    return f"{key.defence}/{key.classifier}/{key.size}"
