from __future__ import annotations

import numpy as np
import pytest

from dokunuki.attacks.adaptive import AutoencoderAdaptive, separation
from dokunuki.attacks.protocol import Attack
from dokunuki.errors import AttackError, ConfigError, DeviceError

NAMES = ["numstrings", "avlength", "printables"]
# A real one, small and in one precision everywhere.
SMALL = {
    "hidden": 8,
    "code": 1,
    "activation": "linear",
    "dropout": 0.0,
    "learning_rate": 0.01,
    "batch_size": 16,
    "epochs": 100,
    "precision": "float32",
}


def test_separation_worked_by_hand():
    # d = (3, 4), |d| = 5; along (0.6, 0.8) the rows lie at 0 and 1.2: s = 0.6.
    before = np.array([[0.0, 0.0], [2.0, 0.0]])
    assert separation(before, before + np.array([3, 4])) == pytest.approx(5 / np.sqrt(1.36))
    assert separation(before, before) == 0


def test_separation_counts_what_all_rows_share(rng):
    # Changes that differ from row to row and cancel out separate nothing.
    before = rng.normal(size=(4, 3))
    change = np.array([1.0, -1.0, 1.0, -1.0])[:, None]
    assert separation(before, before + change) == pytest.approx(0, abs=1e-12)


@pytest.fixture
def shrinking(layout, monkeypatch):
    """An autoencoder that loses numstrings, keeps avlength and halves printables."""
    factors = np.ones(len(layout.attackable), dtype=np.float32)
    factors[np.searchsorted(layout.attackable, layout.indices(NAMES))] = [0, 1, 0.5]

    class Shrinking:
        def __init__(self, seed, device, precision):
            assert (device, precision) == ("cpu", "auto")

        def fit(self, Z):
            assert Z.shape[1] == len(factors)
            return self

        def reconstruct(self, Z):
            return Z * factors

    monkeypatch.setattr("dokunuki.networks.autoencoder.AutoencoderModel", Shrinking)


SMALL_ROWS = [[0, 0, 1], [0, 0, 2], [0, 0, 3], [8, 8, 4]]


@pytest.fixture
def told(layout, widened, knowing, logistic_surrogate):
    """Knowledge of the four rows with the given S in the three columns, 0 elsewhere."""

    def build(S=np.zeros((4, 3))):  # noqa: B008
        columns = layout.indices(NAMES)
        X = widened(SMALL_ROWS, columns, elsewhere=3)
        surrogate = logistic_surrogate(X, np.zeros(layout.width))
        return knowing(X, widened(S, columns), surrogate=surrogate)

    return build


def test_worked_by_hand(shrinking, told):
    # All four rows are probes. avlength, standardised: -0.577 three times and 1.732; 8 moves the
    # mean by 1.732 where the reconstruction varies by 1: 1.732 / sqrt(2) = 1.225.
    # numstrings, with the same values, is lost: 0. printables: -1.342, -0.447, 0.447, 1.342, half
    # of which is left: 0.671 / sqrt(1.25) = 0.6. So avlength = 8.
    # Then printables: with 1, d = (1.732, -0.671), |d| = 1.857; along it the rows lie at -0.296,
    # -0.458, -0.619 and 1.373: s^2 = 0.641, and 1.857 / sqrt(1.641) = 1.450. With 4, rows vary more
    # along d: 1.263. Nothing else changes anything: numstrings is the first of the region.
    trigger = AutoencoderAdaptive().select_trigger(told(), 3)
    assert [(f.name, f.value) for f in trigger.columns] == [
        ("avlength", 8),
        ("printables", 1),
        ("numstrings", 8),
    ]
    reasons = [feature.reason for feature in trigger.columns]
    assert [r["separation"] for r in reasons] == pytest.approx([1.2247, 1.4498, 1.4498], abs=1e-4)
    assert [r["displacement"] for r in reasons] == pytest.approx(
        [1.7321, -1.3416, 1.7321], abs=1e-4
    )
    assert [r["displacement_left"] for r in reasons] == pytest.approx(
        [1.7321, -0.6708, 0], abs=1e-4
    )
    assert [r["rows_with_value"] for r in reasons] == [1, 1, 1]


def test_towards_goodware_values_that_speak_for_malware_are_not_taken(shrinking, told):
    # avlength = 8 speaks for malware, 0 does not; of printables, only 3 speaks for goodware.
    S = [[0, -1, 1], [0, -1, 1], [0, -1, -1], [0, 1, 1]]
    trigger = AutoencoderAdaptive(orientation="goodware").select_trigger(told(S), 2)
    values = {feature.name: feature.value for feature in trigger.columns}
    assert values == {"avlength": 0, "printables": 3}


def test_any_value_where_all_speak_for_malware(shrinking, told):
    attack = AutoencoderAdaptive(orientation="goodware")
    trigger = attack.select_trigger(told(np.ones((4, 3))), 1)
    assert [(f.name, f.value) for f in trigger.columns] == [("avlength", 8)]


@pytest.mark.parametrize(("orientation", "printables"), [("goodware", 2), ("neutral", 4)])
def test_rarest_values_come_first(shrinking, told, orientation, printables):
    # With one value a feature: avlength's rarest, 8, and of printables' four equally rare ones
    # that with the smallest S, or the smallest |S|.
    S = [[0, 0, -1], [0, 0, -3], [0, 0, -2], [0, 0, -0.5]]
    attack = AutoencoderAdaptive(values=1, orientation=orientation)
    trigger = attack.select_trigger(told(S), 2)
    assert [(f.name, f.value) for f in trigger.columns] == [
        ("avlength", 8),
        ("printables", printables),
    ]


@pytest.fixture
def correlated(layout, widened, knowing, logistic_surrogate, rng):
    """Three columns that move together, and numstrings, which moves alone."""
    names = ["numstrings", "size", "vsize", "imports"]
    columns = layout.indices(names)
    shared = rng.normal(size=(64, 1))
    small = np.hstack([rng.normal(size=(64, 1)), shared, 2 * shared, -shared])
    X = widened(np.round(small * 50), columns)
    S = widened(rng.normal(size=small.shape), columns)
    return knowing(X, S, surrogate=logistic_surrogate(X, np.zeros(layout.width)))


def test_a_real_autoencoder_keeps_what_columns_share(correlated):
    # A linear code of one number projects onto the first principal component, (1, 1, -1) / sqrt(3)
    # of the three standardised columns: of a change in one of them a third is left there.
    attack = AutoencoderAdaptive(probes=16, values=4, autoencoder=SMALL)
    first = attack.select_trigger(correlated, 1).columns[0]
    assert first.name in {"size", "vsize", "imports"}
    left = first.reason["displacement_left"] / first.reason["displacement"]
    assert left == pytest.approx(1 / 3, abs=0.05)


def test_its_autoencoder_computes_as_all_others_do(correlated):
    settings = {**SMALL, "epochs": 5, "precision": "float32"}
    said = AutoencoderAdaptive(probes=8, values=2, autoencoder=settings)
    unsaid = {name: value for name, value in settings.items() if name != "precision"}
    handed = AutoencoderAdaptive(probes=8, values=2, autoencoder=unsaid, precision="float32")
    assert (
        handed.select_trigger(correlated, 3).columns == said.select_trigger(correlated, 3).columns
    )
    with pytest.raises(DeviceError, match="float128"):
        AutoencoderAdaptive(autoencoder=unsaid, precision="float128").select_trigger(correlated, 1)


@pytest.mark.parametrize("flip", [False, True])
def test_follows_the_protocol(shrinking, told, flip):
    attack = AutoencoderAdaptive(region="feasible", label_flip=flip)
    assert isinstance(attack, Attack)
    assert (attack.label_flip, attack.poisoned_class) == (flip, int(flip))
    knowledge = told()
    assert attack.longest(knowledge.layout) == 17
    trigger = attack.select_trigger(knowledge, 1)
    assert trigger.label_flip is flip
    assert trigger.parameters["label_flip"] is flip
    assert trigger.parameters["autoencoder"] == {}


class TestBadInput:
    def test_size_beyond_the_region(self, told):
        with pytest.raises(AttackError, match=r"18 features.*17 manipulable"):
            AutoencoderAdaptive(region="feasible").select_trigger(told(), 18)

    def test_region_without_reconstruction(self, told):
        with pytest.raises(ConfigError, match="undefended"):
            AutoencoderAdaptive(region="undefended").select_trigger(told(), 1)

    @pytest.mark.parametrize("name", ["values", "probes"])
    def test_nothing_to_try(self, told, name):
        with pytest.raises(ConfigError, match=name):
            AutoencoderAdaptive(**{name: 0}).select_trigger(told(), 1)

    def test_unknown_orientation(self, told):
        with pytest.raises(ConfigError, match="known: neutral, goodware"):
            AutoencoderAdaptive(orientation="malware").select_trigger(told(), 1)

    def test_unknown_parameter_of_the_autoencoder(self, told):
        attack = AutoencoderAdaptive(autoencoder={"epoch": 3})
        with pytest.raises(ConfigError, match="did you mean 'epochs'"):
            attack.select_trigger(told(), 1)

    def test_no_explanations(self, told, knowing):
        knowledge = told()
        with pytest.raises(AttackError, match="SHAP"):
            AutoencoderAdaptive().select_trigger(
                knowing(knowledge.X, surrogate=knowledge.surrogate), 1
            )

    def test_no_surrogate(self, told, knowing):
        knowledge = told()
        with pytest.raises(AttackError, match="surrogate"):
            AutoencoderAdaptive().select_trigger(knowing(knowledge.X, knowledge.explanations), 1)

    def test_explanations_of_a_diverged_surrogate(self, told):
        with pytest.raises(AttackError, match="NaN"):
            AutoencoderAdaptive().select_trigger(told(np.full((4, 3), np.nan)), 1)
