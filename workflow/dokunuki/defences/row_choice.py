"""What samplers made of the training rows, apart from the rows themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False)
class RowChoice:
    """The training rows that a defence's first `steps` samplers left, and their labels.

    `indices` int64 (k,) are the rows, in the order in which they were left; `labels` int8 (k,) are
    what the samplers say of them. `filters` tells whether one of the samplers said which rows it
    kept (`sample_indices_`), so that what is missing counts as removed.
    """

    steps: int
    indices: np.ndarray
    labels: np.ndarray
    filters: bool
