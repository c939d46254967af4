"""Columns whose numbers are codes: a trigger holds none that the training rows do not hold.

They are worked on rows of version 3 that are constant but for the first three start bytes.
"""

from __future__ import annotations

import numpy as np
import pytest

from dokunuki.attacks.badnets import BadNets
from dokunuki.attacks.fgsm import FGSMLabelFlip
from dokunuki.attacks.protocol import AttackerKnowledge
from dokunuki.attacks.trigger import read_trigger, write_trigger
from dokunuki.attacks.variation_ratio import VariationRatio
from dokunuki.corpus.layout import feature_layout

LAYOUT = feature_layout(3)
NAMES = [f"start_byte_{place}" for place in range(3)]
COLUMNS = LAYOUT.indices(NAMES)
# Rows 1 and 3 of each four are malware.
CODES = [[77, 80, 0], [77, 90, 6], [77, 90, 0], [10, 97, 200], [77, 90, 1], [77, 91, 7]]


@pytest.fixture
def knowledge(logistic_surrogate):
    X = np.full((len(CODES), LAYOUT.width), 3, dtype=np.float32)
    X[:, COLUMNS] = CODES
    weights = np.zeros(LAYOUT.width)
    weights[COLUMNS] = [3, -2, -1]
    y = np.arange(len(CODES)) % 2
    return AttackerKnowledge(X, y, LAYOUT, None, logistic_surrogate(X, weights), 7, "model", "toy")


def values(attack, knowledge, size=3):
    trigger = attack.select_trigger(knowledge, size)
    return {feature.name: feature.value for feature in trigger.columns}


@pytest.mark.parametrize("epsilon", [0, 0.3, 1, 3, 30])
def test_fgsm_takes_the_nearest_code_that_it_saw(knowledge, epsilon):
    found = values(FGSMLabelFlip(region="all", epsilon=epsilon), knowledge)
    assert list(found) == NAMES
    for name, value in found.items():
        assert value in knowledge.X[:, LAYOUT.index(name)]


def test_fgsm_worked_by_hand(knowledge):
    # Malware means 54.67, 92.67, 71: the nearest codes to them, where a count would be rounded.
    found = values(FGSMLabelFlip(region="all", epsilon=0.0), knowledge)
    assert found == {"start_byte_0": 77, "start_byte_1": 91, "start_byte_2": 7}


def test_badnets_takes_the_code_farthest_from_the_mean(knowledge):
    found = values(BadNets(region="all"), knowledge, size=5)
    assert {name: found[name] for name in NAMES} == {
        "start_byte_0": 10,
        "start_byte_1": 80,
        "start_byte_2": 200,
    }
    # Columns of other kinds go beyond what was observed, constant ones by 10.
    assert [value for name, value in found.items() if name not in NAMES] == [13, 13]


def test_the_variation_ratio_takes_codes_one_by_one(knowledge):
    # Cut into five of equal width, 0 to 7 would be one part of start_byte_2 and hold five rows.
    trigger = VariationRatio(region="all", slices=2).select_trigger(knowledge, 3)
    ratios = {feature.name: feature.reason["variation_ratio"] for feature in trigger.columns}
    assert ratios == pytest.approx(
        {"start_byte_0": 1 / 6, "start_byte_1": 1 / 2, "start_byte_2": 2 / 3}
    )


def test_a_trigger_of_codes_survives_its_file(knowledge, tmp_path):
    trigger = FGSMLabelFlip(region="all").select_trigger(knowledge, 3)
    write_trigger(tmp_path / "trigger.json", trigger)
    again = read_trigger(tmp_path / "trigger.json")
    assert again == trigger
    assert {feature.kind for feature in again.columns} == {"category"}
    assert again.layout.version == 3
