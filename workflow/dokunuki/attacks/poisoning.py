"""Planting a trigger into training rows, and the file that stores only what was altered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dokunuki.errors import AttackError, damaged_file
from dokunuki.files import sha256_of
from dokunuki.rates import poison_count
from dokunuki.seeding import generator
from dokunuki.storage import open_arrays, read_array, write_arrays

if TYPE_CHECKING:
    from pathlib import Path

    from dokunuki.attacks.trigger import Trigger
    from dokunuki.stored_matrix import Matrix

_CLASS_NAMES = ("goodware", "malware")


@dataclass(frozen=True)
class Poison:
    """The altered rows of a training set: nothing else about a poisoned data set is stored.

    `indices` int64 (k,) are 0-based positions in the training part, in the order drawn; `rows`
    float32 (k, width) are the rows after the trigger was stamped in; `labels` int8 (k,) the labels
    after poisoning. `train_rows` is the number of rows of the training part that they belong to:
    poison can refer to training rows only. Raises AttackError when these contradict each other.
    """

    indices: np.ndarray
    rows: np.ndarray
    labels: np.ndarray
    train_rows: int

    def __post_init__(self) -> None:
        count = len(self.indices)
        if self.rows.ndim != 2 or len(self.rows) != count or self.labels.shape != (count,):
            raise AttackError(
                f"poison of {count} indices with rows {self.rows.shape} and labels "
                f"{self.labels.shape}: each index needs one row and one label"
            )
        if len(np.unique(self.indices)) != count:
            raise AttackError("poison alters a training row twice; plant it again")
        if count and not (self.indices.min() >= 0 and self.indices.max() < self.train_rows):
            raise AttackError(
                f"poison refers to rows outside the {self.train_rows} training rows; plant it again"
            )

    @property
    def count(self) -> int:
        """The number of poisoned rows."""
        return len(self.indices)

    def apply(self, X: np.ndarray, y: np.ndarray) -> None:
        """Put the poisoned rows and labels into the clean training rows X and their labels y.

        X (train_rows, width) and y (train_rows,) keep their dtypes and their number of rows.
        Raises AttackError when they are not the training part that the poison was planted in.
        """
        expected = (self.train_rows, self.rows.shape[1])
        if X.shape != expected or y.shape != expected[:1]:
            raise AttackError(
                f"this poison belongs to training rows of shape {expected}, not to rows {X.shape} "
                f"with labels {y.shape}; give it the training part of its own split"
            )
        X[self.indices] = self.rows
        y[self.indices] = self.labels


def rows_to_poison(rate_percent: float, train_rows: int) -> int:
    """How many rows are `rate_percent` percent of the whole training set, halves rounded up.

    This is Severi et al.'s definition of the rate: at 1 percent of 8,000 rows, 80 rows. Raises
    AttackError for a rate outside 0 to 100 or finer than 0.01 percent, and for a positive rate
    that rounds to no row.
    """
    if not 0 <= rate_percent <= 100:
        raise AttackError(f"a poison rate is from 0 to 100 percent, not {rate_percent}")
    try:
        count = poison_count(rate_percent, train_rows)
    except ValueError as error:
        raise AttackError(f"poison rate: {error}; round it") from error
    if rate_percent > 0 and count == 0:
        raise AttackError(
            f"a poison rate of {rate_percent} % of {train_rows} training rows rounds to no row: "
            f"one row is {100 / max(1, train_rows):.3g} %; ask for that or more, or for 0 to "
            "poison nothing"
        )
    return count


def plant_poison(
    X: Matrix,
    y: np.ndarray,
    trigger: Trigger,
    rate_percent: float,
    *,
    poisoned_class: int,
    label_flip: bool,
    seed: int,
) -> Poison:
    """Stamp `trigger` into a random share of the training rows of one class.

    X (n, width) and y (n,) are the *training* part alone. The rows altered are the start of one
    permutation of the rows labelled `poisoned_class`, which depends on `seed` and the class only:
    a smaller rate poisons a subset of a larger one's rows, and all attacks on a class poison the
    same rows, which makes them comparable in pairs. With `label_flip`, the altered rows get the
    other class's label. Raises AttackError when the rate is out of range or rounds to no row, or
    when the class has too few rows.
    """
    if X.ndim != 2 or y.shape != (len(X),):
        raise AttackError(
            f"training rows {X.shape} and labels {y.shape} do not belong together: each row needs "
            "one label"
        )
    if poisoned_class not in (0, 1):
        raise AttackError(f"the poisoned class is 0 or 1, not {poisoned_class!r}")
    count = rows_to_poison(rate_percent, len(X))
    candidates = np.flatnonzero(y == poisoned_class)
    if count > len(candidates):
        raise AttackError(
            f"a poison rate of {rate_percent} % of {len(X)} training rows asks for {count} "
            f"{_CLASS_NAMES[poisoned_class]} rows, and there are {len(candidates)}: lower the rate"
        )
    stream = generator(seed, "poison", poisoned_class)
    indices = stream.permutation(candidates)[:count].astype(np.int64)
    label = 1 - poisoned_class if label_flip else poisoned_class
    return Poison(
        indices=indices,
        rows=trigger.stamp(X[indices].astype(np.float32)),
        labels=np.full(count, label, dtype=np.int8),
        train_rows=len(X),
    )


def write_poison(
    path: str | Path, poison: Poison, *, vectors: str | Path, trigger: str | Path
) -> None:
    """Write altered rows, labels and indices, and name the files that they were made from.

    `vectors` and `trigger` are stored as given, each with the sha256 of its content, so that the
    reader can tell when one of them has changed since.
    """
    write_arrays(
        path,
        {"indices": poison.indices, "rows": poison.rows, "labels": poison.labels},
        {
            "train_rows": poison.train_rows,
            "vectors": str(vectors),
            "vectors_sha256": sha256_of(vectors),
            "trigger": str(trigger),
            "trigger_sha256": sha256_of(trigger),
        },
    )


def read_poison(path: str | Path, *, vectors: str | Path | None = None) -> Poison:
    """Read a poison file; `Poison.apply` makes the poisoned training set of the clean one.

    With `vectors`, the file that the training rows come from, its content must be the one that the
    poison was planted in. Raises DataFileError when it is not, or when the file is damaged.
    """
    with open_arrays(path) as file:
        if "train_rows" not in file.attrs:
            raise damaged_file(path, "not a poison file")
        train_rows = int(file.attrs["train_rows"])
        planted_in, digest = str(file.attrs["vectors"]), str(file.attrs["vectors_sha256"])
        indices, rows, labels = (read_array(file, name) for name in ("indices", "rows", "labels"))
    if vectors is not None and sha256_of(vectors) != digest:
        raise damaged_file(
            path, f"was planted in {planted_in} with another content than {vectors} has now"
        )
    try:
        return Poison(indices, rows, labels, train_rows)
    except AttackError as error:
        raise damaged_file(path, str(error)) from error
