"""The attacker's poison among the rows that a defender sets aside to choose thresholds by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dokunuki.seeding import generator

if TYPE_CHECKING:
    from dokunuki.attacks.poisoning import Poison
    from dokunuki.attacks.trigger import Trigger
    from dokunuki.corpus.vectors import Vectors


def calibration_rows(
    vectors: Vectors, poison: Poison | None, trigger: Trigger | None, *, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The calibration rows, raw, and their labels, as the defender collected them.

    A defender who sets rows of a contaminated feed aside sets poison aside with them. With `poison`
    and its `trigger`, the same share of these rows is poisoned as of the training rows, drawn by
    `seed` from the same class, and labelled alike. The i-th poisoned row gets the features of the
    trigger that the i-th poisoned training row got: some attacks leave features out.
    """
    X, y = vectors.part("calibration")
    if poison is None or trigger is None or poison.count == 0:
        return X, y
    count = (2 * poison.count * len(y) + poison.train_rows) // (2 * poison.train_rows)
    candidates = np.flatnonzero(y == poison.poisoned_class)
    drawn = generator(seed, "poison", "calibration", poison.poisoned_class).permutation(candidates)
    chosen = drawn[:count]
    source = np.arange(len(chosen)) % poison.count
    stamped = poison.values[source] == trigger.values
    places = np.ix_(chosen, trigger.indices)
    X[places] = np.where(stamped, trigger.values, X[places])
    y[chosen] = poison.labels[source]
    return X, y
