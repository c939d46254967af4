"""The attacks against a real, small surrogate network, from training to the trigger."""

from __future__ import annotations

import numpy as np
import pytest

from dokunuki.attacks.fgsm import FGSMLabelFlip
from dokunuki.attacks.greedy import GreedyCombinedSelection
from dokunuki.attacks.independent import IndependentSelection
from dokunuki.detector import Detector
from dokunuki.networks.embernn import EmberNN
from dokunuki.surrogate.explaining import explain

TELLING = "num_sections"


@pytest.fixture(scope="module")
def rows(layout):
    """Noise in all columns but one, which tells malware (high) from goodware (low)."""
    rng = np.random.default_rng(8)
    y = np.arange(120) % 2
    X = np.zeros((120, layout.width), dtype=np.float32)
    X[:, layout.non_hashed] = rng.integers(0, 4, size=(120, 35))
    X[:, layout.index(TELLING)] = 3 + 5 * y + rng.integers(0, 3, size=120)
    return X, y


@pytest.fixture(scope="module")
def surrogate(rows):
    network = EmberNN(hidden=[8], dropout=0.0, epochs=40, learning_rate=0.01, device="cpu")
    return Detector([], network).fit(*rows)


@pytest.fixture(scope="module")
def knowledge(rows, surrogate, knowing):
    S = explain(surrogate, rows[0], background_rows=20, samples=5, seed=3)
    return knowing(rows[0], S, rows[1], surrogate)


def test_explanations_find_the_telling_feature_and_its_direction(knowledge, layout):
    S = knowledge.explanations[:, layout.index(TELLING)]
    assert S[knowledge.y == 1].mean() > 0 > S[knowledge.y == 0].mean()
    assert np.abs(knowledge.explanations).sum(axis=0).argmax() == layout.index(TELLING)


@pytest.mark.parametrize("attack", [IndependentSelection(), FGSMLabelFlip()])
def test_attack_takes_the_telling_feature_first(attack, knowledge):
    assert attack.select_trigger(knowledge, 1).columns[0].name == TELLING


def test_greedy_takes_goodware_values(knowledge, surrogate):
    trigger = GreedyCombinedSelection().select_trigger(knowledge, 35)
    malware = knowledge.X[knowledge.y == 1]
    assert surrogate.malware_scores(trigger.stamp(malware)).max() < 0.5


def test_fgsm_steps_towards_goodware(knowledge, surrogate):
    malware = knowledge.X[knowledge.y == 1]
    trigger = FGSMLabelFlip(epsilon=2.0).select_trigger(knowledge, 8)
    before, after = (surrogate.malware_scores(X).mean() for X in (malware, trigger.stamp(malware)))
    assert before > 0.9
    assert after < 0.1
