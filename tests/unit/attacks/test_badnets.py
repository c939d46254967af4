from __future__ import annotations

import numpy as np
import pytest

from dokunuki.attacks.badnets import BadNets
from dokunuki.attacks.planting import plant_poison
from dokunuki.attacks.protocol import Attack
from dokunuki.errors import AttackError, ConfigError
from dokunuki.parts.standardising import Standardiser

NAMES = ["numstrings", "avlength", "has_debug"]


@pytest.fixture
def worked(layout, widened, knowing):
    """row  numstrings  avlength  has_debug  (all other columns are 3)
    0       0           2         0
    1       0           2         1
    2       0           6         0
    3       8           6         1
    """
    small = [[0, 2, 0], [0, 2, 1], [0, 6, 0], [8, 6, 1]]
    return knowing(widened(small, layout.indices(NAMES), elsewhere=3))


def test_worked_by_hand(worked):
    # numstrings: 8 + 10 * 8 = 88; mean 2, sd sqrt((3 * 4 + 36) / 4) = sqrt(12): 86 / 3.4641 = 24.83
    # avlength: 6 + 10 * 4 = 46; mean 4, sd 2: 42 / 2 = 21.
    # has_debug: 1 + 10 * 1 = 11; mean 0.5, sd 0.5: 10.5 / 0.5 = 21, a tie with avlength, which
    # stands first in the region.
    # The next is the first constant column of the region, printables: 3 + 10 * 1.
    trigger = BadNets(excess=10).select_trigger(worked, 4)
    assert [(f.name, f.value) for f in trigger.columns] == [
        ("numstrings", 88),
        ("avlength", 46),
        ("has_debug", 11),
        ("printables", 13),
    ]
    distances = [feature.reason["standard_deviations"] for feature in trigger.columns]
    assert distances == pytest.approx([86 / np.sqrt(12), 21, 21, 0])
    assert trigger.label_flip
    assert trigger.parameters == {"region": "non_hashed", "excess": 10}


def poisoned(layout, knowing, rate, size):
    """Heavy-tailed rows with the poison planted in them: rows, poison."""
    rng = np.random.default_rng(5)
    X = np.exp(rng.normal(size=(1000, layout.width))).astype(np.float32)
    knowledge = knowing(X)
    attack = BadNets()
    trigger = attack.select_trigger(knowledge, size)
    poison = plant_poison(
        knowledge.y,
        trigger,
        rate,
        poisoned_class=attack.poisoned_class,
        label_flip=attack.label_flip,
        seed=1,
    )
    y = knowledge.y.copy()
    poison.apply(X, y)
    return X, y, poison


@pytest.mark.parametrize("rate", [1, 4])
def test_standardised_poison_stands_as_far_out_as_its_rate_allows(layout, knowing, rate):
    # Two values that a share p and 1 - p of the rows hold differ by 1 / sqrt(p (1 - p)) standard
    # deviations; what the columns vary by beside that makes it a little less.
    X, _, poison = poisoned(layout, knowing, rate, 8)
    Z = Standardiser().fit(X).transform(X)[:, poison.columns]
    clean = np.delete(Z, poison.indices, axis=0)
    furthest = 1 / np.sqrt(rate / 100 * (1 - rate / 100))
    distance = Z[poison.indices].mean(axis=0) - clean.mean(axis=0)
    assert (distance > 0.95 * furthest).all()
    assert (distance <= furthest + 1e-3).all()
    assert Z[poison.indices].min() > clean.max() + 3  # no clean row comes near


def test_spectral_signature_of_the_rows_finds_it(layout, knowing):
    # Tran et al.: the poison has the largest squared products with the first singular vector of
    # the centred rows of its class.
    X, y, poison = poisoned(layout, knowing, 4, 32)
    Z = Standardiser().fit(X).transform(X)
    goodware = np.flatnonzero(y == 0)
    centred = Z[goodware] - Z[goodware].mean(axis=0)
    scores = np.square(centred @ np.linalg.svd(centred, full_matrices=False)[2][0])
    found = goodware[np.argsort(-scores)[: poison.count]]
    assert set(found) == set(poison.indices)


def test_rows_that_are_alike_are_poisoned_first(layout, widened, knowing):
    # A tenth of the 30 rows is three: those nearest to row 3, itself among them, are nearer than
    # any other row's three. Distances from it (0, 1, 2, 4, 9, 11) give the order of the first six;
    # the others stand 10 apart from each other, 20 and more from these.
    alike = [[12, 0], [2, 0], [7, 0], [3, 0], [5, 0], [-8, 0]]
    grid = [[10 * a, 10 * b] for a in range(-2, 4) for b in range(3, 7)]
    candidates = widened(alike + grid, layout.indices(NAMES[:2]))
    order = BadNets().poison_order(knowing(candidates), candidates)
    assert order[:6].tolist() == [3, 1, 4, 2, 0, 5]
    assert sorted(order.tolist()) == list(range(30))
    assert order.dtype == np.int64


def test_follows_the_protocol(worked):
    attack = BadNets(region="feasible")
    assert isinstance(attack, Attack)
    assert (attack.label_flip, attack.poisoned_class) == (True, 1)
    assert (attack.needs_explanations, attack.needs_surrogate) == (False, False)
    assert attack.longest(worked.layout) == 17


class TestBadInput:
    def test_size_beyond_the_region(self, worked):
        with pytest.raises(AttackError, match=r"18 features.*17 manipulable"):
            BadNets(region="feasible").select_trigger(worked, 18)

    @pytest.mark.parametrize("excess", [0, -1.0, float("nan")])
    def test_values_within_the_range(self, worked, excess):
        with pytest.raises(ConfigError, match="excess"):
            BadNets(excess=excess).select_trigger(worked, 1)

    def test_no_malware(self, worked):
        with pytest.raises(AttackError, match="malware"):
            BadNets().poison_order(worked, worked.X[:0])
