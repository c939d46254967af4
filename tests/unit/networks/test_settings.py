import inspect

import numpy as np
import pytest

from dokunuki.errors import ConfigError
from dokunuki.networks.autoencoder import AutoencoderModel
from dokunuki.networks.embernn import EmberNN
from dokunuki.networks.settings import TrainingSettings

NETWORKS = [EmberNN, AutoencoderModel]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("optimiser", "lion"),
        ("learning_rate", 0),
        ("momentum", 1.0),
        ("weight_decay", -1),
        ("batch_size", 1),
        ("epochs", 0),
        ("schedule", "step"),
    ],
)
@pytest.mark.parametrize("cls", [TrainingSettings, *NETWORKS])
def test_settings_out_of_range_name_the_key(cls, name, value):
    with pytest.raises(ConfigError, match=rf"^{name}: .*{value}.* must be"):
        cls(**{name: value}).check()


@pytest.mark.parametrize("cls", NETWORKS)
def test_networks_take_all_settings_by_name(cls):
    parameters = inspect.signature(cls).parameters
    assert set(inspect.signature(TrainingSettings).parameters) < set(parameters)
    assert {"dropout", "input_dropout", "seed", "device", "threads", "precision"} < set(parameters)
    assert {held.kind for held in parameters.values()} == {inspect.Parameter.KEYWORD_ONLY}
    assert not any(held.default is held.empty for held in parameters.values())
    assert cls().get_params() == {name: held.default for name, held in parameters.items()}


def test_defaults_are_those_of_the_network():
    network, autoencoder = EmberNN(), AutoencoderModel()
    assert (network.batch_size, network.epochs, network.dropout) == (512, 10, 0.5)
    assert (autoencoder.batch_size, autoencoder.epochs, autoencoder.dropout) == (256, 30, 0.2)


def test_parts_are_told_apart_by_identity():
    # As scikit-learn's are: a dataclass would compare parameters, and have no hash.
    assert EmberNN() != EmberNN()
    assert len({EmberNN(), EmberNN()}) == 2


@pytest.mark.parametrize(
    ("tol", "losses", "expected"),
    [
        (0.0, [1.0] * 20, False),
        (0.1, [1.0, 0.5, 0.5], False),  # no epochs before the last three
        (0.1, [1.0, 0.5, 0.5, 0.5, 0.5], True),
        (0.1, [1.0, 0.5, 0.47, 0.44, 0.41], True),
        (0.1, [1.0, 0.5, 0.47, 0.44, 0.39], False),
        (0.1, [4.0, 2.0, 1.9, 1.8, 1.65], True),  # a share of the first epoch's loss
        (0.1, [1.0, 0.5, 0.3, 0.9, 0.9], False),  # the least of the last ones counts
    ],
)
def test_training_has_converged_when_the_last_epochs_bring_little(tol, losses, expected):
    settings = TrainingSettings(tol=tol, n_iter_no_change=3)
    assert settings.converged(losses) is expected


@pytest.mark.parametrize("cls", NETWORKS)
def test_training_ends_when_it_has_converged(rng, cls):
    X = rng.normal(size=(40, 6)).astype(np.float32)
    y = (X[:, 0] > 0).astype(int)
    most = cls(epochs=30, hidden=4 if cls is AutoencoderModel else [4], batch_size=8, device="cpu")
    long, short = most.unfitted().fit(X, y), most.unfitted().set_params(tol=0.5).fit(X, y)
    assert len(long.history_.loss) == 30
    epochs = len(short.history_.loss)
    assert 5 < epochs < 30
    # What came before is the same, and the weights are those of the last epoch.
    assert short.history_.loss == long.history_.loss[:epochs]
    cut = most.unfitted().set_params(epochs=epochs).fit(X, y)
    for name, values in cut._fitted_arrays().items():
        np.testing.assert_array_equal(values, short._fitted_arrays()[name])
