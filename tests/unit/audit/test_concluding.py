"""The reasons of a verdict, in words."""

from __future__ import annotations

import numpy as np
import pytest

from dokunuki.audit.concluding import judge
from dokunuki.audit.results import Candidate, Finding, Structure


def finding(columns: int) -> Finding:
    structure = Structure(0.2, 0.1, 1.0, 0.5, fringe=0.0, whole=5)
    candidate = Candidate(
        np.arange(columns),
        np.ones(columns, dtype=np.float32),
        np.arange(30),
        structure,
        planted_like=True,
        stark=False,
        judges=("shared values",),
    )
    names = tuple(f"c{column}" for column in range(columns))
    return Finding(candidate, names, 0.9, 0.1, 0.05, 0.01, "proved")


@pytest.mark.parametrize(
    ("columns", "named"),
    [
        (1, "c0 = 1 is held by"),
        (2, "c0 = 1, c1 = 1 are held by"),
        (3, "c0 = 1, c1 = 1 and 1 other are held by"),
        (5, "c0 = 1, c1 = 1 and 3 others are held by"),
    ],
)
def test_a_reason_names_two_columns_and_counts_the_others(columns, named):
    verdict, (reason,) = judge([finding(columns)])
    assert verdict == "proved"
    assert reason.startswith(f"proved: {named} 30 goodware rows")
