"""What an attack altered in the training rows, and the file that stores nothing else.

One file serves all cells of an attack. A smaller poison rate alters the first of its rows, and a
shorter trigger sets the first of its columns.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from dokunuki.errors import AttackError, damaged_file
from dokunuki.storage.arrays import open_arrays, read_array, write_arrays
from dokunuki.storage.files import sha256_of
from dokunuki.study.rates import poison_count

if TYPE_CHECKING:
    from pathlib import Path

_CLASS_NAMES = ("goodware", "malware")
_ARRAYS = ("indices", "columns", "values", "labels")


@dataclass(frozen=True)
class Poison:
    """What is altered in a training set: nothing else about a poisoned data set is stored.

    `indices` int64 (k,) are 0-based positions in the training part, in the order drawn or preferred
    by the attack. `columns` int64 (N,) are the trigger's, in the order chosen. `values` float32
    (k, N) are the raw values that stand there after poisoning: the row's own where the attack left
    a feature of its trigger out. `labels` int8 (k,) are the labels after poisoning. `train_rows` is
    the number of rows of the training part, and `poisoned_class` the class of the rows before they
    were poisoned. Raises AttackError when these contradict each other.
    """

    indices: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    labels: np.ndarray
    train_rows: int
    poisoned_class: int

    def __post_init__(self) -> None:
        count = len(self.indices)
        size = len(self.columns)
        if self.values.shape != (count, size) or self.labels.shape != (count,):
            raise AttackError(
                f"poison of {count} indices and {size} columns with values {self.values.shape} and "
                f"labels {self.labels.shape}: each index needs one row of values and one label"
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

    def cell(self, size: int, rate_percent: float) -> Poison:
        """The poison of the cell with N = `size` and p = `rate_percent`.

        Raises AttackError for a rate out of range or that rounds to no row, and for more columns
        or rows than there are.
        """
        if not 1 <= size <= len(self.columns):
            raise AttackError(
                f"this poison sets {len(self.columns)} columns and cannot be cut to {size}: ask "
                f"for 1 to {len(self.columns)}"
            )
        count = rows_to_poison(rate_percent, self.train_rows)
        if count > self.count:
            raise AttackError(
                f"a poison rate of {rate_percent} % of {self.train_rows} training rows asks for "
                f"{count} {_CLASS_NAMES[self.poisoned_class]} rows, and there are {self.count}: "
                "lower the rate"
            )
        return replace(
            self,
            indices=self.indices[:count],
            columns=self.columns[:size],
            values=self.values[:count, :size],
            labels=self.labels[:count],
        )

    def apply(self, X: np.ndarray, y: np.ndarray) -> None:
        """Put the poisoned values and labels into the clean training rows X and their labels y.

        X (train_rows, width) and y (train_rows,) keep their dtypes and their number of rows.
        Raises AttackError when they are not the training part that the poison was planted in.
        """
        fits = X.ndim == 2 and X.shape[1] > self.columns.max(initial=0)
        if not fits or len(X) != self.train_rows or y.shape != (self.train_rows,):
            raise AttackError(
                f"this poison belongs to {self.train_rows} training rows, not to rows {X.shape} "
                f"with labels {y.shape}; give it the training part of its own split"
            )
        X[np.ix_(self.indices, self.columns)] = self.values
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


def write_poison(
    path: str | Path, poison: Poison, *, vectors: str | Path, trigger: str | Path
) -> None:
    """Write what is altered, and name the files that they were made from.

    `vectors` and `trigger` are stored as given, each with the sha256 of its content, so that the
    reader can tell when one of them has changed since.
    """
    write_arrays(
        path,
        {name: getattr(poison, name) for name in _ARRAYS},
        {
            "train_rows": poison.train_rows,
            "poisoned_class": poison.poisoned_class,
            "vectors": str(vectors),
            "vectors_sha256": sha256_of(vectors),
            "trigger": str(trigger),
            "trigger_sha256": sha256_of(trigger),
        },
    )


def read_poison(path: str | Path, *, vectors: str | Path | None = None) -> Poison:
    """Read a poison file; `Poison.cell` takes a cell's part of it.

    With `vectors`, the file that the training rows come from, its content must be the one that the
    poison was planted in. Raises DataFileError when it is not, or when the file is damaged.
    """
    with open_arrays(path) as file:
        if not {"train_rows", "poisoned_class"} <= set(file.attrs):
            raise damaged_file(path, "not a poison file")
        train_rows = int(file.attrs["train_rows"])
        poisoned_class = int(file.attrs["poisoned_class"])
        planted_in, digest = str(file.attrs["vectors"]), str(file.attrs["vectors_sha256"])
        indices, columns, values, labels = (read_array(file, name) for name in _ARRAYS)
    if vectors is not None and sha256_of(vectors) != digest:
        raise damaged_file(path, f"was planted in {planted_in} before {vectors} changed")
    try:
        return Poison(indices, columns, values, labels, train_rows, poisoned_class)
    except AttackError as error:
        raise damaged_file(path, str(error)) from error
