"""The share of the training rows that the attacker knows: all that its models and triggers see."""

from __future__ import annotations

import numpy as np

from dokunuki.errors import AttackError
from dokunuki.seeding import generator
from dokunuki.study.rates import poison_count


def known_rows(y: np.ndarray, share_percent: float, seed: int) -> np.ndarray:
    """Positions of the known rows in the training part, int64 (k,), in rising order.

    `y` (n,) are the labels of the training part. Of each class it is `share_percent` percent,
    halves rounded up, drawn by `seed`, so that the classes are balanced as in the whole and a
    smaller share is a part of a larger one. Raises AttackError when that leaves a class without a
    row, from which no surrogate can be trained.
    """
    chosen = []
    for label in (0, 1):
        rows = np.flatnonzero(y == label)
        count = poison_count(share_percent, len(rows))
        if not count:
            raise AttackError(
                f"attacker_share: {share_percent} % of the {len(rows)} training rows of class "
                f"{label} is no row; raise it"
            )
        chosen.append(generator(seed, "attacker share", label).permutation(rows)[:count])
    return np.sort(np.concatenate(chosen)).astype(np.int64)
