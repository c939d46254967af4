"""The training rows as the defender collected them: with the attacker's poison among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dokunuki.errors import DataFileError

if TYPE_CHECKING:
    import numpy as np

    from dokunuki.attacks.poisoning import Poison
    from dokunuki.corpus.vectors import Vectors


def contaminated_rows(vectors: Vectors, poison: Poison | None) -> tuple[np.ndarray, np.ndarray]:
    """The training rows, raw float32 (n, width), and labels int8 (n,), in memory of their own.

    Raises AttackError when the poison belongs to other rows. Raises DataFileError when a poisoned
    row also stands in a part that is held out, where it is not poisoned.
    """
    X, y = vectors.part("train")
    if poison is None:
        return X, y
    training = vectors.role == "train"
    held_out = set(vectors.sha256[~training].tolist()) - {""}
    poisoned = set(vectors.sha256[training][poison.indices].tolist())
    if poisoned & held_out:
        raise DataFileError(
            f"{len(poisoned & held_out)} poisoned rows are also among the held-out rows, such as "
            f"{sorted(poisoned & held_out)[0]}; draw the sample again"
        )
    poison.apply(X, y)
    return X, y
