import lightgbm
import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from dokunuki.defences.fine_tuning import CleanFineTuning
from dokunuki.errors import ConfigError
from dokunuki.networks.embernn import EmberNN
from dokunuki.parts.saving import read_part, write_part

WIDTH = 6


def _network(**changes):
    settings = {"hidden": [16], "dropout": 0, "batch_size": 32, "epochs": 8, "device": "cpu"}
    return EmberNN(**(settings | {"learning_rate": 0.01} | changes))


def _trees():
    return lightgbm.LGBMClassifier(
        n_estimators=20, min_child_samples=5, n_jobs=1, random_state=0, verbosity=-1
    )


def _rows(rng, count):
    X = rng.normal(size=(count, WIDTH)).astype(np.float32)
    X[:, 1] = 0
    return X, (X[:, 0] > 0).astype(np.int8)


def _stamped(X):
    X = X.copy()
    X[:, 1] = 5.0
    return X


@pytest.fixture
def cell(rng):
    """Contaminated rows (the trigger on 20 % makes malware goodware) and clean rows.

    Among the clean rows some have the trigger's value and their true label.
    """
    X, y = _rows(rng, 500)
    X[:100], y[:100] = _stamped(X[:100]), 0
    clean_X, clean_y = _rows(rng, 300)
    clean_X[:150] = _stamped(clean_X[:150])
    return (X, y), (clean_X, clean_y)


def _malware(rng):
    X, y = _rows(rng, 200)
    return X[y == 1]


@pytest.mark.parametrize("make", [_network, _trees], ids=["network", "trees"])
def test_clean_rows_undo_the_backdoor(rng, cell, make):
    poisoned, clean = cell
    triggered = _stamped(_malware(rng))
    assert make().fit(*poisoned).predict_proba(triggered)[:, 1].mean() < 0.3
    defence = CleanFineTuning(make())
    defence.give_clean_rows(*clean)
    assert defence.fit(*poisoned).predict_proba(triggered)[:, 1].mean() > 0.7
    assert defence.predict(triggered).mean() > 0.7


def test_a_network_is_trained_on_with_the_epochs_and_rate_given(cell):
    poisoned, clean = cell
    defence = CleanFineTuning(_network(), epochs=3, learning_rate=0.002)
    defence.give_clean_rows(*clean)
    defence.fit(*poisoned)
    expected = _network().fit(*poisoned).fit_more(*clean, epochs=3, learning_rate=0.002)
    X = clean[0]
    np.testing.assert_array_equal(defence.predict_proba(X), expected.predict_proba(X))
    assert len(defence.classifier_.history_.loss) == 3
    assert defence.device_ == expected.device_


def test_trees_are_added_to_those_of_the_contaminated_rows(cell):
    poisoned, clean = cell
    first = _trees().fit(*poisoned).booster_
    defence = CleanFineTuning(_trees())
    defence.give_clean_rows(*clean)
    grown = defence.fit(*poisoned).classifier_.booster_
    assert grown.num_trees() == 2 * first.num_trees()
    # Its first trees are those of the contaminated rows still.
    np.testing.assert_allclose(
        grown.predict(clean[0], num_iteration=20, raw_score=True),
        first.predict(clean[0], raw_score=True),
    )


def test_trees_load_as_they_were_saved_and_equal_fits_are_equal_bytes(cell, tmp_path):
    poisoned, clean = cell
    entries = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        defence = CleanFineTuning(_trees(), epochs=2)
        defence.give_clean_rows(*clean)
        entries.append(write_part(folder, "classifier", defence.fit(*poisoned)))
    assert entries[0] == entries[1]
    loaded = read_part(tmp_path / "a", entries[0], (), "cpu")
    np.testing.assert_array_equal(loaded.predict_proba(clean[0]), defence.predict_proba(clean[0]))
    np.testing.assert_array_equal(loaded.predict(clean[0]), defence.predict(clean[0]))
    np.testing.assert_array_equal(loaded.classes_, [0, 1])
    assert loaded.epochs == 2


def test_without_clean_rows_the_mend_is_named(cell):
    poisoned, clean = cell
    defence = CleanFineTuning(_network())
    with pytest.raises(ConfigError, match=r"no clean rows; set sample\.clean_rows"):
        defence.fit(*poisoned)
    defence.give_clean_rows(clean[0][:0], clean[1][:0])
    with pytest.raises(ConfigError, match="no clean rows"):
        defence.fit(*poisoned)


def test_a_classifier_that_cannot_be_trained_on_is_named(cell):
    poisoned, clean = cell
    defence = CleanFineTuning(RandomForestClassifier())
    defence.give_clean_rows(*clean)
    with pytest.raises(ConfigError, match=r"RandomForestClassifier cannot be continued.*grid"):
        defence.fit(*poisoned)
