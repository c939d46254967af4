"""Simulated rows, drawn once."""

from __future__ import annotations

import numpy as np
import pytest

from dokunuki.corpus.vectoriser import vectorise
from simember.generator import SimulatedSpec, iterate_rows


@pytest.fixture(scope="session")
def simulated():
    """Raw vectors of 240 simulated programs, which nobody may change, and their labels."""
    rows = [row for row, _ in iterate_rows(SimulatedSpec(rows=240))]
    X, y = vectorise(rows, 1), np.array([row["label"] for row in rows])
    X.flags.writeable = False
    return X, y
