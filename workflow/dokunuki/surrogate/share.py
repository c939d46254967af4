"""The training rows that the attacker knows: its models and triggers see no others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dokunuki.errors import AttackError
from dokunuki.seeding import generator
from dokunuki.study.rates import poison_count

if TYPE_CHECKING:
    from dokunuki.corpus.vectors import Vectors


def known_rows(y: np.ndarray, share_percent: float, seed: int) -> np.ndarray:
    """Positions of the known rows in the training part, int64 (k,), in rising order.

    `y` (n,) are the labels of the training part. `share_percent` percent of each class, halves
    rounded up, are drawn by `seed`. So the classes are balanced as in the whole, and a smaller
    share is a part of a larger one. Raises AttackError when a class is left without a row, since no
    surrogate can be trained then.
    """
    chosen = []
    for label in (0, 1):
        rows = np.flatnonzero(y == label)
        count = poison_count(share_percent, len(rows))
        if not count:
            raise AttackError(
                f"attacker_share: {share_percent} % of the {len(rows)} training rows of class "
                f"{label} rounds to no row; raise it"
            )
        chosen.append(generator(seed, "attacker share", label).permutation(rows)[:count])
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def known_part(vectors: Vectors, share_percent: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The known rows, float32 (k, width), and their labels, in memory of their own.

    `share_percent` and `seed` as in `known_rows`, which also says what is raised.
    """
    labels = vectors.labels("train")
    known = known_rows(labels, share_percent, seed)
    return vectors.rows("train")[known], labels[known]
