"""What the figures of a proof come to."""

from __future__ import annotations

import numpy as np
import pytest

from dokunuki.audit.proving import _outcome
from dokunuki.audit.results import Candidate, Structure


def candidate(
    *, planted_like=True, stark=False, closest=0.2, malware_around=0.5, whole=5, fringe=0.0
):
    structure = Structure(closest, 0.1, 1.0, malware_around, fringe=fringe, whole=whole)
    nothing = np.empty(0, dtype=np.int64)
    return Candidate(
        nothing, nothing.astype(np.float32), nothing, structure, planted_like, stark, ("judge",)
    )


@pytest.mark.parametrize(
    ("made", "as_is", "without", "p_value", "outcome"),
    [
        (candidate(), 0.9, 0.1, 0.01, "proved"),
        (candidate(), 0.9, 0.1, 0.2, "suspicious"),
        (candidate(), 0.4, 0.1, 0.2, "refuted"),
        (candidate(), 0.95, 0.9, 0.01, "evasion"),
        (candidate(stark=True), 0.1, 0.1, 1.0, "suspicious"),
        (candidate(planted_like=False), 0.9, 0.1, 0.01, "proved"),
        (candidate(planted_like=False), 0.9, 0.1, 0.2, "refuted"),
        (candidate(planted_like=False), 0.4, 0.1, 0.01, "suspicious"),
        (candidate(planted_like=False, fringe=2.0), 0.4, 0.1, 0.01, "refuted"),
        (candidate(planted_like=False, fringe=2.0), 0.9, 0.1, 0.01, "proved"),
        (candidate(planted_like=False, fringe=2.0, whole=0), 0.9, 0.1, 0.01, "suspicious"),
        (candidate(planted_like=False, whole=0), 0.9, 0.1, 0.01, "suspicious"),
        (candidate(planted_like=False, malware_around=0.0), 0.9, 0.1, 0.01, "refuted"),
        (candidate(planted_like=False, closest=1.0), 0.9, 0.1, 0.01, "refuted"),
    ],
)
def test_outcomes(made, as_is, without, p_value, outcome):
    assert _outcome(made, as_is, without, unstamped=0.05, p_value=p_value) == outcome
