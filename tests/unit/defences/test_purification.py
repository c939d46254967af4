import lightgbm
import numpy as np
import pytest

from dokunuki.defences.fine_tuning import CleanFineTuning
from dokunuki.defences.purification import PostTrainingPurification
from dokunuki.errors import ConfigError
from dokunuki.networks.embernn import EmberNN
from dokunuki.networks.settings import TrainingDivergedError

WIDTH = 20
TRIGGER = range(10, 14)


def network(**changes):
    settings = {"hidden": (64, 64), "dropout": 0.2, "batch_size": 64, "epochs": 20}
    settings |= {"learning_rate": 0.003, "device": "cpu", "precision": "float32"}
    return EmberNN(**(settings | changes))


def labelled(rng, count):
    y = (np.arange(count) % 2).astype(np.int8)
    X = rng.normal(size=(count, WIDTH)).astype(np.float32)
    X[:, :8] += (2 * y - 1)[:, None]
    return X, y


def stamped(X):
    X = X.copy()
    X[:, TRIGGER] = 3
    return X


@pytest.fixture(scope="module")
def cell():
    """Contaminated rows (4 % of them malware with the trigger, called goodware) and clean rows."""
    rng = np.random.default_rng(0)
    X, y = labelled(rng, 1000)
    poison = np.flatnonzero(y == 1)[:40]
    X[poison], y[poison] = stamped(X[poison]), 0
    return (X, y), labelled(rng, 200), labelled(rng, 1000)


def measured(defence, cell):
    """The accuracy on clean test rows, and the share of malware that passes with the trigger."""
    contaminated, clean, (X, y) = cell
    defence.give_clean_rows(*clean)
    defence.fit(*contaminated)
    passed = defence.predict(stamped(X[y == 1])) == 0
    return float((defence.predict(X) == y).mean()), float(passed.mean())


def test_a_backdoor_that_fine_tuning_leaves_is_purified(cell):
    assert measured(CleanFineTuning(network()), cell)[1] > 0.4
    accuracy, asr = measured(PostTrainingPurification(network()), cell)
    assert asr < 0.1
    assert accuracy > 0.9


def test_without_noise_it_stays(cell):
    accuracy, asr = measured(PostTrainingPurification(network(), noise=0), cell)
    assert asr > 0.9
    assert accuracy > 0.95


def test_what_changes_within_the_mask_is_turned_round(cell):
    (X, y), clean, _ = cell
    fitted = []
    for masked in (0, 0.999):
        # One step, whose updates are then kept or turned.
        defence = PostTrainingPurification(network(batch_size=500), masked=masked, epochs=1)
        defence.give_clean_rows(*clean)
        fitted.append(defence.fit(X, y).classifier_.network_)
    plain, turned = (net[0].weight.detach().numpy() for net in fitted)
    start = (plain + turned) / 2
    # Adam's first step is as large as the learning rate, in the direction of the gradient's sign.
    np.testing.assert_allclose(np.abs(plain - start), 4e-4, rtol=0.05)


def test_what_is_purified_scores_each_row_by_itself(cell):
    (X, y), clean, _ = cell
    defence = PostTrainingPurification(network(epochs=1), epochs=1)
    defence.give_clean_rows(*clean)
    defence.fit(X, y)
    assert not any(module.training for module in defence.classifier_.network_.modules())
    one_by_one = np.concatenate([defence.predict_proba(row[None]) for row in X[:5]])
    np.testing.assert_allclose(one_by_one, defence.predict_proba(X[:5]), atol=1e-4)


def test_without_clean_rows_or_network_the_mend_is_named(cell):
    (X, y), clean, _ = cell
    with pytest.raises(ConfigError, match=r"no clean rows; set sample\.clean_rows"):
        PostTrainingPurification(network()).fit(X, y)
    trees = PostTrainingPurification(lightgbm.LGBMClassifier())
    trees.give_clean_rows(*clean)
    with pytest.raises(ConfigError, match=r"trains networks; .*LGBMClassifier.*grid\.restricted"):
        trees.fit(X, y)


@pytest.mark.parametrize(
    ("name", "value"),
    [("masked", 1), ("noise", -1), ("learning_rate", 0), ("mask_epochs", 0), ("epochs", 0)],
)
def test_parameters_out_of_range_are_named(name, value):
    with pytest.raises(ConfigError, match=rf"{name}: {value} must be"):
        PostTrainingPurification(network(), **{name: value}).fit(np.zeros((4, 2)), np.arange(4) % 2)


def test_a_loss_that_is_not_finite_is_said(cell):
    (X, y), clean, _ = cell
    defence = PostTrainingPurification(network(epochs=1), learning_rate=1e38, epochs=3)
    defence.give_clean_rows(*clean)
    with pytest.raises(TrainingDivergedError):
        defence.fit(X, y)
