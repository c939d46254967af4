"""Which rows are left out, and which labels are corrected."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dokunuki.audit.purifying import corrected, purify
from dokunuki.audit.results import Candidate, Evidence, Finding, Structure, Suspects
from dokunuki.audit.suspecting import CROSS_EXAMINATION

ROWS = 12
PLANTED = [1, 2, 3]
FAMILY = [6, 7, 8, 9]


def finding(outcome, rows, *, planted_like):
    structure = Structure(0.2, 0.1, 1.0, 0.5, fringe=0.0, whole=5)
    candidate = Candidate(
        np.array([0]), np.ones(1, np.float32), np.array(rows), structure, planted_like, False, ()
    )
    return Finding(candidate, ("c0",), 0.9, 0.1, 0.05, 0.01, outcome, None)


def suspects(contradicted=()):
    strength = np.zeros(ROWS, dtype=np.float32)
    strength[list(contradicted)] = 1
    return Suspects((Evidence(CROSS_EXAMINATION, strength),))


@pytest.mark.parametrize(
    ("outcome", "planted_like", "taken"),
    [
        ("suspicious", False, []),
        ("suspicious", True, FAMILY),
        ("proved", False, FAMILY),
        ("evasion", True, []),
    ],
)
def test_beside_a_proof_only_what_looks_planted_goes(outcome, planted_like, taken):
    found = [
        finding("proved", PLANTED, planted_like=True),
        finding(outcome, FAMILY, planted_like=planted_like),
    ]
    assert purify(found, suspects()).leave_out.tolist() == [*PLANTED, *taken]


def test_where_nothing_is_proved_all_that_is_suspicious_goes():
    found = [finding("suspicious", FAMILY, planted_like=False)]
    assert purify(found, suspects()).leave_out.tolist() == FAMILY


def test_contradicted_labels_are_corrected_and_the_rest_is_left_out():
    purification = purify(
        [finding("proved", PLANTED, planted_like=True)], suspects(contradicted=[2, 7])
    )
    kept, labels = corrected(np.zeros(ROWS, dtype=int), purification)
    assert kept.tolist() == [0, 2, *range(4, ROWS)]
    assert np.flatnonzero(labels).tolist() == [2]


def test_other_judges_correct_no_label():
    other = Suspects((*suspects().evidence, replace(suspects([2]).evidence[0], judge="flipping")))
    purification = purify([finding("proved", PLANTED, planted_like=True)], other)
    assert purification.relabel.size == 0
