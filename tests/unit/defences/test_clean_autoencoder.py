import numpy as np
import pytest

from dokunuki.corpus.layout import feature_layout
from dokunuki.defences.clean_autoencoder import CleanAutoencoder
from dokunuki.errors import ConfigError
from dokunuki.networks.autoencoder import AutoencoderModel

LAYOUT = feature_layout(1)
PARAMS = {"hidden": 8, "code": 4, "epochs": 2, "batch_size": 16}


@pytest.fixture
def rows(rng):
    return rng.normal(size=(20, LAYOUT.width)).astype(np.float32)


def _defence(params=PARAMS):
    return CleanAutoencoder(LAYOUT, params, seed=3, device="cpu")


def test_training_rows_are_rebuilt_by_an_autoencoder_of_the_clean_rows(rows, rng):
    clean = rng.normal(size=(32, LAYOUT.width)).astype(np.float32)
    labels = np.arange(20) % 2
    before = rows.copy()
    defence = _defence()
    defence.give_clean_rows(clean, np.arange(32) % 2)
    rebuilt, kept = defence.fit_resample(rows, labels)
    expected = AutoencoderModel(**PARAMS, seed=3, device="cpu").fit(clean[:, LAYOUT.attackable])
    np.testing.assert_array_equal(
        rebuilt[:, LAYOUT.attackable], expected.reconstruct(rows[:, LAYOUT.attackable])
    )
    np.testing.assert_array_equal(rebuilt[:, LAYOUT.undefended], rows[:, LAYOUT.undefended])
    np.testing.assert_array_equal(kept, labels)
    np.testing.assert_array_equal(rows, before)


def test_a_trigger_that_clean_rows_never_show_is_taken_out(rows, rng):
    # In clean rows all attackable columns repeat one value; in poisoned ones two stand out.
    clean = rng.normal(size=(400, LAYOUT.width)).astype(np.float32)
    clean[:, LAYOUT.attackable] = rng.normal(size=(400, 1))
    rows[:, LAYOUT.attackable] = 0.5
    trigger = LAYOUT.attackable[:2]
    rows[:10, trigger] = 8.0
    defence = _defence(
        {"hidden": 16, "code": 4, "activation": "linear", "dropout": 0, "epochs": 10}
        | {"batch_size": 32}
    )
    defence.give_clean_rows(clean, np.zeros(400))
    rebuilt, _ = defence.fit_resample(rows, np.arange(20) % 2)
    assert np.abs(rebuilt[:10, trigger] - 0.5).max() < 0.5


@pytest.mark.parametrize("given", [0, None])
def test_without_clean_rows_the_mend_is_named(rows, given):
    defence = _defence()
    if given is not None:
        defence.give_clean_rows(rows[:given], np.zeros(given))
    with pytest.raises(ConfigError, match=r"no clean rows; set sample\.clean_rows"):
        defence.fit_resample(rows, np.arange(20) % 2)


def test_an_unknown_parameter_is_named(rows):
    defence = _defence({"codes": 3})
    defence.give_clean_rows(rows, np.zeros(20))
    with pytest.raises(ConfigError, match="has no parameter 'codes'; did you mean 'code'"):
        defence.fit_resample(rows, np.arange(20) % 2)
