import numpy as np
import pytest
import torch

from dokunuki.corpus.layout import feature_layout
from dokunuki.defences.deletion import Deletion
from dokunuki.errors import ConfigError, DataFileError, DeviceError, DokunukiError
from dokunuki.networks.embernn import EmberNN
from dokunuki.networks.settings import TrainingDivergedError


def _toy(rng, rows=400, width=12):
    X = rng.normal(size=(rows, width)).astype(np.float32)
    return X, (X[:, 0] - 2 * X[:, 1] + 0.5 * X[:, 2] > 0).astype(np.int8)


def _small(**changes):
    defaults = {"hidden": (32, 16), "dropout": 0.1, "batch_size": 32, "epochs": 15, "device": "cpu"}
    return EmberNN(**(defaults | {"learning_rate": 0.01} | changes))


@pytest.fixture
def fitted(rng):
    X, y = _toy(rng)
    return _small().fit(X, y), X, y


def test_the_papers_network_is_three_layers_as_wide_as_the_input(rng):
    X, y = _toy(rng, rows=8, width=6)
    network = EmberNN(epochs=1, device="cpu", input_dropout=0.1).fit(X, y).network_
    assert [(m.in_features, m.out_features) for m in network if hasattr(m, "in_features")] == [
        (6, 6),
        (6, 6),
        (6, 6),
        (6, 1),
    ]
    layer = ["Linear", "ReLU", "BatchNorm1d", "Dropout"]
    assert [type(m).__name__ for m in network] == ["Dropout", *layer * 3, "Linear"]
    assert not network.training


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_learns_a_separable_toy(rng, optimiser):
    X, y = _toy(rng, rows=1000)
    model = _small(optimiser=optimiser, learning_rate=0.02, epochs=20, input_dropout=0.05)
    model.fit(X[:600], y[:600], validation=(X[600:], y[600:]))
    assert model.score(X[600:], y[600:]) > 0.95
    assert len(model.history_.loss) == len(model.history_.validation_loss) == 20
    assert model.history_.validation_loss[-1] < model.history_.validation_loss[0]


def test_probabilities_are_the_sigmoid_of_the_logits(fitted):
    model, X, _ = fitted
    probabilities = model.predict_proba(X)
    assert probabilities.shape == (len(X), 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    logits = model.decision_function(X).astype(float)
    np.testing.assert_allclose(probabilities[:, 1], 1 / (1 + np.exp(-logits)), rtol=1e-5)
    np.testing.assert_array_equal(model.predict(X), (probabilities[:, 1] >= 0.5).astype(int))
    assert model.predict_proba(X[:0]).shape == (0, 2)


def test_the_last_layer_makes_the_logits_of_the_hidden_activations(fitted):
    model, X, _ = fitted
    hidden = model.hidden_activations(X)
    assert (hidden.shape, hidden.dtype) == ((len(X), 16), np.float32)
    last = model.network_[-1]
    logits = hidden @ last.weight.detach().numpy()[0] + last.bias.item()
    np.testing.assert_allclose(logits, model.decision_function(X), rtol=1e-4, atol=1e-5)
    assert model.hidden_activations(X[:0]).shape == (0, 16)


def test_losses_are_minus_the_log_of_the_labels_probability(fitted):
    model, X, y = fitted
    losses = model.losses(X, y)
    of_the_label = model.predict_proba(X)[np.arange(len(X)), y]
    np.testing.assert_allclose(losses, -np.log(of_the_label), rtol=1e-3, atol=1e-5)
    assert model.losses(X[:0], y[:0]).shape == (0,)


def test_labels_can_be_any_two(rng):
    X, y = _toy(rng)
    model = _small().fit(X, np.where(y, "malware", "goodware"))
    assert set(model.predict(X)) == {"malware", "goodware"}
    np.testing.assert_array_equal(model.predict_proba(X), _small().fit(X, y).predict_proba(X))


def test_same_seed_same_bytes_and_another_seed_others(rng, tmp_path):
    X, y = _toy(rng)
    for name, seed in [("a", 3), ("b", 3), ("c", 4)]:
        torch.manual_seed(ord(name))  # the global state has no say
        _small(seed=seed, epochs=2).fit(X, y).save(tmp_path / name)
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b != c


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_either_precision_learns_and_is_named(rng, precision):
    X, y = _toy(rng, rows=1000)
    model = _small(precision=precision).fit(X[:600], y[:600])
    assert model.score(X[600:], y[600:]) > 0.9
    assert model.device_ == f"cpu {precision}"
    assert {str(values.dtype) for values in model.network_.parameters()} == {"torch.float32"}


def test_loaded_gives_identical_scores(fitted, tmp_path):
    model, X, _ = fitted
    model.save(tmp_path / "model.safetensors")
    loaded = EmberNN.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.decision_function(X), model.decision_function(X))
    assert loaded.get_params() == model.get_params() | {"hidden": [32, 16]}
    loaded.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == (
        tmp_path / "model.safetensors"
    ).read_bytes()


def test_a_model_fitted_on_cuda_loads_on_a_machine_without(fitted, tmp_path, monkeypatch):
    model, X, _ = fitted
    model.device = "cuda"
    model.save(tmp_path / "model.safetensors")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError):
        EmberNN.load(tmp_path / "model.safetensors")
    loaded = EmberNN.load(tmp_path / "model.safetensors", device="cpu", threads=2)
    assert (loaded.device, loaded.device_, loaded.threads) == ("cpu", model.device_, 2)
    assert loaded.predict_proba(X).shape == (len(X), 2)


@pytest.mark.parametrize("damage", ["absent", "truncated", "foreign"])
def test_damaged_files_are_named(fitted, tmp_path, damage):
    path = tmp_path / "model.safetensors"
    if damage != "absent":
        fitted[0].save(path)
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-40])
    if damage == "foreign":
        path.write_text("no model")
    with pytest.raises(DataFileError, match=r"model\.safetensors"):
        EmberNN.load(path)


def test_a_file_of_another_class_is_refused(tmp_path):

    Deletion(feature_layout(1)).save(tmp_path / "x.safetensors")
    with pytest.raises(DataFileError, match=r"holds a dokunuki.*Deletion, not a EmberNN"):
        EmberNN.load(tmp_path / "x.safetensors")


def test_gradient_equals_finite_differences(fitted):
    model, X, y = fitted
    X, y = X[:50], y[:50]
    gradient = model.loss_gradient(X, y)
    assert gradient.shape == (12,)
    assert gradient.dtype == np.float64
    network = model.network_.double()  # in float32 the differences drown in rounding

    def loss(rows):
        logits = network(torch.tensor(rows, dtype=torch.float64)).squeeze(1)
        wanted = torch.tensor(y, dtype=torch.float64)
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted).item()

    step = 1e-6
    for column in range(12):
        change = np.zeros_like(X, dtype=np.float64)
        change[:, column] = step
        difference = (loss(X + change) - loss(X - change)) / (2 * step)
        assert gradient[column] == pytest.approx(difference, abs=1e-5)


def test_gradient_is_the_mean_over_blocks(fitted, monkeypatch):
    model, X, y = fitted
    whole = model.loss_gradient(X, y)
    monkeypatch.setattr("dokunuki.networks.estimator.BLOCK_ROWS", 33)
    np.testing.assert_allclose(model.loss_gradient(X, y), whole, rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(model.loss_gradient(X[:1], y[:1]).shape, (12,))
    with pytest.raises(DokunukiError, match="gradient needs rows"):
        model.loss_gradient(X[:0], y[:0])


def test_an_absurd_learning_rate_diverges(rng):
    X, y = _toy(rng)
    with pytest.raises(TrainingDivergedError):
        _small(optimiser="sgd", learning_rate=1e36).fit(X, y)


def test_absent_cuda_is_an_error_before_any_work(rng, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    X, y = _toy(rng)
    with pytest.raises(DeviceError, match="no CUDA device"):
        _small(device="cuda").fit(X, y)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden": "wide"}, "hidden: 'wide'"),
        ({"hidden": ()}, "hidden"),
        ({"hidden": (4, 0)}, "hidden"),
        ({"dropout": 1.0}, "dropout: 1.0"),
        ({"input_dropout": -0.1}, "input_dropout"),
        ({"epochs": 0}, "epochs"),
    ],
)
def test_parameters_out_of_range_are_named(rng, changes, message):
    X, y = _toy(rng, rows=20)
    with pytest.raises(ConfigError, match=message):
        _small(**changes).fit(X, y)


def test_one_class_is_refused(rng):
    X, _ = _toy(rng, rows=20)
    with pytest.raises(DokunukiError, match="1 classes"):
        _small().fit(X, np.zeros(20))


def test_training_on_starts_from_the_present_weights(fitted):
    model, X, y = fitted
    before = [values.detach().clone() for values in model.network_.parameters()]
    model.fit_more(X, y, learning_rate=1e-9, epochs=2)
    assert len(model.history_.loss) == 2
    for held, other in zip(model.network_.parameters(), before, strict=True):
        np.testing.assert_allclose(held.detach(), other, atol=1e-6)
    model.fit_more(X, 1 - y, epochs=20)
    assert model.score(X, 1 - y) > 0.9
    assert model.epochs == 15


def test_training_on_is_seeded_and_checks_its_rows(rng):
    X, y = _toy(rng)
    results = [_small(epochs=2).fit(X, y).fit_more(X[::2], y[::2], epochs=1) for _ in range(2)]
    np.testing.assert_array_equal(*(model.predict_proba(X) for model in results))
    with pytest.raises(ValueError, match="400 rows have 3 labels"):
        results[0].fit_more(X, y[:3])
    with pytest.raises(ValueError, match="not fitted"):
        _small().fit_more(X, y)
    with pytest.raises(ConfigError, match="epochs: 0"):
        results[0].fit_more(X, y, epochs=0)
