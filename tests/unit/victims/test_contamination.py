"""The training rows that a defender sees."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dokunuki.errors import AttackError, DataFileError
from dokunuki.victims.contamination import contaminated_rows
from toy_victims import poison_of


def test_poison_of_other_rows_is_refused(vectors, trigger):
    poison = replace(poison_of(vectors, trigger), train_rows=61)
    with pytest.raises(AttackError, match="training part of its own split"):
        contaminated_rows(vectors, poison)


def test_poison_never_touches_rows_that_are_held_out(vectors, trigger):
    poison = poison_of(vectors, trigger)
    X, y = contaminated_rows(vectors, poison)
    assert (vectors.part("train")[0] != X).any(axis=1).sum() == poison.count
    assert (y != vectors.part("train")[1]).sum() == poison.count
    shared = vectors.sha256.copy()
    shared[70] = shared[poison.indices[0]]
    with pytest.raises(DataFileError, match="are also among the held-out rows"):
        contaminated_rows(replace(vectors, sha256=shared), poison)
