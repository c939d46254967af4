import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from dokunuki.corpus.layout import feature_layout
from dokunuki.defences.autoencoder import AutoencoderCode, AutoencoderReconstruction
from dokunuki.errors import ConfigError, DataFileError
from dokunuki.networks.autoencoder import AutoencoderModel
from dokunuki.networks.settings import TrainingDivergedError

LAYOUT = feature_layout(1)


def _small(**changes):
    defaults = {"hidden": 8, "code": 4, "batch_size": 16, "epochs": 2, "device": "cpu"}
    return AutoencoderModel(**(defaults | changes))


def _rank(rng, rows, width, rank):
    """Rows of exactly that rank with columns of about unit variance."""
    mixing = rng.normal(size=(rank, width)) / np.sqrt(rank)
    return (rng.normal(size=(rows, rank)) @ mixing).astype(np.float32)


@pytest.fixture
def wide(rng):
    return rng.normal(size=(24, LAYOUT.width)).astype(np.float32)


def test_layers_and_dropout_after_the_code(rng):
    model = AutoencoderModel(hidden=7, code=3, epochs=1, dropout=0.25, device="cpu")
    model.fit(_rank(rng, 8, 10, 2))
    network = model.network_
    shapes = [
        (m.in_features, m.out_features)
        for m in [*network.encoder, *network.decoder]
        if hasattr(m, "in_features")
    ]
    assert shapes == [(10, 7), (7, 3), (3, 7), (7, 10)]
    assert network.dropout.p == 0.25
    assert not network.training


def test_rank_k_data_is_reconstructed_through_a_code_of_k(rng):
    X = _rank(rng, 600, 20, 3)
    model = _small(
        hidden=16, code=3, activation="linear", dropout=0, epochs=60, learning_rate=0.01
    ).fit(X[:500], validation=X[500:])
    assert np.mean((model.reconstruct(X[500:]) - X[500:]) ** 2) < 0.01 * np.mean(X**2)
    assert model.encode(X).shape == (600, 3)
    assert model.history_.validation_loss[-1] == pytest.approx(
        np.mean((model.reconstruct(X[500:]) - X[500:]) ** 2), rel=1e-3
    )


def test_a_code_below_the_rank_loses_something(rng):
    X = _rank(rng, 300, 20, 6)
    model = _small(hidden=16, code=2, activation="linear", dropout=0, epochs=40, learning_rate=0.01)
    assert np.mean((model.fit(X).reconstruct(X) - X) ** 2) > 0.1 * np.mean(X**2)


@pytest.mark.parametrize("activation", ["relu", "elu", "tanh", "sigmoid"])
def test_nonlinear_ones_learn_too(rng, activation):
    X = _rank(rng, 400, 20, 3)
    model = _small(
        hidden=32, code=8, activation=activation, dropout=0, epochs=60, learning_rate=0.01
    )
    assert np.mean((model.fit(X).reconstruct(X) - X) ** 2) < 0.1 * np.mean(X**2)


def test_in_the_unit_range_columns_of_any_scale_are_rebuilt_within_their_range(rng, tmp_path):
    X = (_rank(rng, 400, 20, 3) * np.logspace(-2, 3, 20)).astype(np.float32)
    X[:, 5] = 7.0  # constant
    model = _small(
        hidden=32, code=8, dropout=0, epochs=60, learning_rate=0.01, unit_range=True
    ).fit(X[:300], validation=X[300:])
    rebuilt = model.reconstruct(X)
    error = np.mean((rebuilt - X) ** 2, axis=0) / np.maximum(X.var(axis=0), 1e-12)
    assert error[np.arange(20) != 5].mean() < 0.2
    np.testing.assert_array_equal(rebuilt[:, 5], 7.0)
    # The output is a sigmoid: nothing is ever rebuilt beyond the range of the training rows.
    low, high = X[:300].min(axis=0), X[:300].max(axis=0)
    far = model.reconstruct(1e3 * X)
    assert (far >= low - 1e-6 * np.abs(low)).all()
    assert (far <= high + 1e-6 * (high - low)).all()
    assert len(model.history_.validation_loss) == 60
    assert max(model.history_.validation_loss) < 1  # in units of the range
    model.save(tmp_path / "model.safetensors")
    loaded = AutoencoderModel.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.reconstruct(X), rebuilt)
    np.testing.assert_array_equal(loaded.encode(X), model.encode(X))


def test_a_linear_autoencoder_finds_the_principal_components(rng):
    # Axes of variance 9, 4 and 0.01: through a code of 2 all but the last is rebuilt.
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    X = (rng.normal(size=(400, 3)) * [3, 2, 0.1] @ turn.T).astype(np.float32)
    model = _small(
        hidden=16, code=2, activation="linear", dropout=0, epochs=60, learning_rate=0.005
    ).fit(X)
    components = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)[2][:2]
    expected = (X - X.mean(axis=0)) @ components.T @ components + X.mean(axis=0)
    assert np.mean((model.reconstruct(X) - expected) ** 2) < 1e-3


@pytest.mark.parametrize(
    ("disturbed", "slope"), [({}, 1.0), ({"noise": 1.0}, 0.5), ({"input_dropout": 0.25}, 0.75)]
)
def test_a_denoising_autoencoder_finds_the_best_linear_denoiser(rng, disturbed, slope):
    # Of independent columns of variance 1, the best estimate from x + noise is x / (1 + noise^2),
    # and that from x / (1 - p), or 0 in the share p of cases, is (1 - p) x.
    X = rng.normal(size=(1000, 4)).astype(np.float32)
    model = _small(
        hidden=8,
        code=4,
        activation="linear",
        dropout=0,
        epochs=60,
        learning_rate=0.003,
        schedule="cosine",
        **disturbed,
    ).fit(X)
    slopes, *_ = np.linalg.lstsq(X, model.reconstruct(X))
    np.testing.assert_allclose(slopes, slope * np.eye(4), atol=0.1)


def test_noise_disturbs_training_only(rng):
    X = _rank(rng, 50, 10, 3)
    quiet, noisy = _small(dropout=0).fit(X), _small(dropout=0, noise=0.5).fit(X)
    assert not np.array_equal(quiet.encode(X), noisy.encode(X))
    np.testing.assert_array_equal(noisy.encode(X), noisy.encode(X))
    np.testing.assert_array_equal(noisy.reconstruct(X), noisy.reconstruct(X))


def test_blocks_change_nothing_but_rounding(rng, monkeypatch):
    X = _rank(rng, 50, 10, 3)
    model = _small().fit(X)
    whole = model.reconstruct(X)
    monkeypatch.setattr("dokunuki.networks.estimator.BLOCK_ROWS", 7)
    np.testing.assert_allclose(model.reconstruct(X), whole, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("defence", [AutoencoderReconstruction, AutoencoderCode])
def test_in_place_gives_the_same_bytes(wide, monkeypatch, defence):
    for module in ("defences.autoencoder", "networks.estimator"):
        monkeypatch.setattr(f"dokunuki.{module}.BLOCK_ROWS", 7)
    fitted = defence(LAYOUT, _small()).fit(wide)
    expected = fitted.transform(wide)
    rows = wide.copy()
    result = fitted.transform_in_place(rows)
    assert np.shares_memory(result, rows)
    assert result.tobytes() == expected.tobytes()


def test_reconstruction_touches_the_attackable_columns_only(wide):
    defence = AutoencoderReconstruction(LAYOUT, _small()).fit(wide)
    represented = defence.transform(wide)
    assert represented.shape == wide.shape
    assert represented.dtype == np.float32
    np.testing.assert_array_equal(represented[:, LAYOUT.undefended], wide[:, LAYOUT.undefended])
    np.testing.assert_array_equal(
        represented[:, LAYOUT.attackable],
        defence.autoencoder_.reconstruct(wide[:, LAYOUT.attackable]),
    )
    assert not np.array_equal(represented[:, LAYOUT.attackable], wide[:, LAYOUT.attackable])


def test_code_follows_the_undefended_columns(wide):
    defence = AutoencoderCode(LAYOUT, _small(code=5)).fit(wide, None)
    represented = defence.transform(wide)
    assert represented.shape == (24, 512 + 5)
    np.testing.assert_array_equal(represented[:, :512], wide[:, LAYOUT.undefended])
    np.testing.assert_array_equal(
        represented[:, 512:], defence.autoencoder_.encode(wide[:, LAYOUT.attackable])
    )


def test_default_widths_are_the_papers():
    assert AutoencoderModel().code == 512


def test_a_fitted_autoencoder_is_shared_and_not_fitted_again(wide, monkeypatch):
    model = _small().fit(wide[:, LAYOUT.attackable])
    monkeypatch.setattr(AutoencoderModel, "fit", lambda *_: pytest.fail("fitted again"))
    code = AutoencoderCode(LAYOUT, model).fit(wide)
    reconstruction = AutoencoderReconstruction(LAYOUT, FrozenEstimator(model)).fit(wide)
    assert code.autoencoder_ is model
    assert reconstruction.autoencoder_ is model
    copied = clone(reconstruction).fit(wide)
    assert copied.autoencoder_ is model


def test_unfitted_settings_stay_unfitted(wide):
    settings = _small()
    defence = AutoencoderCode(LAYOUT, settings).fit(wide)
    assert defence.autoencoder_ is not settings
    assert not hasattr(settings, "network_")
    assert not hasattr(clone(defence), "autoencoder_")


@pytest.mark.parametrize("cls", [AutoencoderCode, AutoencoderReconstruction])
@pytest.mark.parametrize("kind", ["settings", "fitted", "frozen"])
def test_defences_load_as_they_were_saved(wide, tmp_path, cls, kind):
    autoencoder = _small()
    if kind != "settings":
        autoencoder.fit(wide[:, LAYOUT.attackable])
    if kind == "frozen":
        autoencoder = FrozenEstimator(autoencoder)
    defence = cls(LAYOUT, autoencoder).fit(wide)
    defence.save(tmp_path / "defence.safetensors")
    loaded = cls.load(tmp_path / "defence.safetensors", device="cpu")
    np.testing.assert_array_equal(loaded.transform(wide), defence.transform(wide))
    assert loaded.layout == LAYOUT


def test_without_an_autoencoder_it_says_what_it_needs(wide):
    with pytest.raises(ConfigError, match=r"AutoencoderCode: needs an autoencoder: set"):
        AutoencoderCode(LAYOUT).fit(wide)


def test_a_damaged_file_is_named(wide, tmp_path):
    path = tmp_path / "autoencoder.safetensors"
    _small().fit(wide[:, :20]).save(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataFileError, match=r"autoencoder\.safetensors"):
        AutoencoderModel.load(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"activation": "swish"}, "activation: unknown 'swish'; known: relu"),
        ({"dropout": 1.5}, "dropout"),
        ({"input_dropout": 1.0}, "input_dropout: 1.0"),
        ({"noise": -0.1}, "noise: -0.1"),
        ({"noise": float("inf")}, "noise: inf"),
        ({"code": 0}, "code: 0"),
        ({"hidden": 0}, "hidden: 0"),
        ({"batch_size": 1}, "batch_size"),
    ],
)
def test_parameters_out_of_range_are_named(rng, changes, message):
    with pytest.raises(ConfigError, match=message):
        _small(**changes).fit(_rank(rng, 20, 5, 2))


def test_divergence_is_raised(rng):
    with pytest.raises(TrainingDivergedError):
        _small(optimiser="sgd", learning_rate=1e30).fit(_rank(rng, 40, 10, 3))


def test_seeds_do_not_depend_on_the_global_state(rng):
    X = _rank(rng, 30, 6, 2)
    results = []
    for state in (1, 2):
        torch.manual_seed(state)
        results.append(_small().fit(X).encode(X))
    np.testing.assert_array_equal(*results)
