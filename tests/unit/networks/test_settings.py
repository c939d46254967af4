import inspect

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
