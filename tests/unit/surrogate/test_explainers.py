"""What both explainers promise, and what holds for each of them."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import lightgbm
import numpy as np
import pytest
import shap
import torch
from sklearn.preprocessing import StandardScaler

from dokunuki.errors import AttackError, ConfigError
from dokunuki.surrogate import expected_gradients, shap_package
from dokunuki.surrogate.explaining import explain

WIDTH = 6
EXPLAINERS = ("expected-gradients", "shap")
OURS = partial(expected_gradients.explain_network, precision="float32")

both_networks = pytest.mark.parametrize(
    "explain_network", [OURS, shap_package.explain_network], ids=EXPLAINERS
)
both_trees = pytest.mark.parametrize(
    "explain_trees", [expected_gradients.explain_trees, shap_package.explain_trees], ids=EXPLAINERS
)


def linear_network(weights):
    layer = torch.nn.Linear(len(weights), 1)
    with torch.no_grad():
        layer.weight[:] = torch.tensor(weights, dtype=torch.float32)
        layer.bias[:] = 0.3
    # Dropout makes the difference between training and evaluation mode visible.
    return torch.nn.Sequential(torch.nn.Dropout(0.5), layer)


def surrogate_of(classifier, standardise=lambda rows: rows):
    return SimpleNamespace(classifier_=classifier, standardise=standardise)


@pytest.fixture
def weights():
    return np.array([2.0, -1.0, 0.0, 0.5, -3.0, 1.0])


@pytest.fixture
def rows(rng):
    return rng.normal(size=(150, WIDTH)).astype(np.float32)  # more than one block


@pytest.fixture(scope="module")
def trees():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, WIDTH)).astype(np.float32)
    y = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(int)
    model = lightgbm.LGBMClassifier(n_estimators=20, num_leaves=7, n_jobs=1, verbose=-1)
    return model.fit(X, y), X


@both_networks
def test_linear_network_with_one_background_row_is_exact(weights, rows, explain_network):
    # The gradient of w . x is w everywhere, so that S = w * (x - background), sampling or not.
    background = np.full((1, WIDTH), 0.5, dtype=np.float32)
    S = explain_network(linear_network(weights), rows, background, samples=3, seed=1)
    assert S.dtype == np.float32
    np.testing.assert_allclose(S, weights * (rows - background), rtol=1e-5, atol=1e-6)


@both_networks
def test_linear_network_within_the_sampling_error(weights, rows, rng, explain_network):
    background = rng.normal(size=(20, WIDTH)).astype(np.float32)
    samples = 400
    S = explain_network(linear_network(weights), rows[:10], background, samples=samples, seed=1)
    expected = weights * (rows[:10] - background.mean(axis=0))
    standard_error = np.abs(weights) * background.std(axis=0) / np.sqrt(samples)
    assert (np.abs(S - expected) <= 5 * standard_error + 1e-6).all()


class ShapsDraws:
    """The draws of shap's GradientExplainer, row by row and sample by sample, in our order."""

    def __init__(self, seed, background, rows, samples):
        state = np.random.RandomState(seed)
        drawn = [(state.choice(background), state.uniform()) for _ in range(rows * samples)]
        self.drawn = np.array(drawn).reshape(-1, samples, 2)
        self.taken = {"integers": 0, "random": 0}

    def take(self, what, size, column):
        start = self.taken[what]
        self.taken[what] += size[0]
        return self.drawn[start : start + size[0], :, column]

    def integers(self, high, size):
        return self.take("integers", size, 0).astype(np.int64)

    def random(self, size):
        return self.take("random", size, 1)


def test_equal_draws_give_what_shap_gives(rows, monkeypatch):
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Linear(WIDTH, 8),
        torch.nn.ReLU(),
        torch.nn.BatchNorm1d(8),
        torch.nn.Dropout(0.5),
        torch.nn.Linear(8, 1),
    )
    network(torch.tensor(rows))  # statistics of its own for the normalisation
    background = rows[100:107]
    explainer = shap.GradientExplainer(network.eval(), torch.tensor(background))
    expected = explainer.shap_values(torch.tensor(rows), nsamples=11, rseed=3)[:, :, 0]
    draws = ShapsDraws(3, len(background), len(rows), 11)
    monkeypatch.setattr("dokunuki.surrogate.expected_gradients.generator", lambda *_: draws)
    S = OURS(network, rows, background, samples=11, seed=1)
    np.testing.assert_allclose(S, expected, rtol=1e-4, atol=1e-6)


def test_products_in_bfloat16_lose_little(rows):
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(WIDTH, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    exact, rounded = (
        OURS(network, rows, rows[:9], samples=5, seed=1, precision=precision)
        for precision in ("float32", "bfloat16")
    )
    assert not np.array_equal(exact, rounded)
    np.testing.assert_allclose(rounded, exact, atol=0.02 * np.abs(exact).max())


@both_networks
def test_nonlinear_network_adds_up_to_the_difference_of_logits(rows, explain_network):
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(WIDTH, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    background = np.zeros((1, WIDTH), dtype=np.float32)
    S = explain_network(network, rows[:10], background, samples=2000, seed=1)
    with torch.no_grad():
        difference = network(torch.tensor(rows[:10])) - network(torch.tensor(background))
    np.testing.assert_allclose(S.sum(axis=1), difference.numpy()[:, 0], atol=0.05)


@both_networks
def test_result_depends_on_the_seed_alone(weights, rows, explain_network):
    network = linear_network(weights)
    results = [explain_network(network, rows, rows[:9], samples=2, seed=seed) for seed in (5, 5, 6)]
    assert results[0].tobytes() == results[1].tobytes()
    assert results[1].tobytes() != results[2].tobytes()


@both_networks
def test_every_row_has_draws_of_its_own(weights, rows, explain_network):
    same = np.tile(rows[:1], (130, 1))
    S = explain_network(linear_network(weights), same, rows, samples=2, seed=5)
    assert len(np.unique(S, axis=0)) > 120  # two draws of 150 rows seldom agree


@both_networks
def test_the_network_is_left_alone(weights, rows, explain_network):
    network = linear_network(weights).train()
    network[1].weight.grad = torch.ones(1, WIDTH)
    explain_network(network, rows[:2], rows[:2], samples=2, seed=1)
    assert network.training
    assert (network[1].weight.grad == 1).all()
    assert all(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
@both_networks
def test_a_network_is_explained_where_it_lies(weights, rows, explain_network):
    background = rows[:1]
    network = linear_network(weights).cuda()
    S = explain_network(network, rows, background, samples=3, seed=1)
    np.testing.assert_allclose(S, weights * (rows - background), rtol=1e-4, atol=1e-5)
    assert network[1].weight.is_cuda


@both_networks
@pytest.mark.parametrize(("background", "samples"), [(0, 5), (3, 0)])
def test_nothing_to_sample_from(weights, rows, background, samples, explain_network):
    with pytest.raises(AttackError, match="at least one of each"):
        explain_network(linear_network(weights), rows, rows[:background], samples=samples, seed=1)


@both_trees
def test_trees_add_up_to_the_logit(trees, explain_trees):
    model, X = trees
    S = explain_trees(model.booster_, X)
    logits = model.booster_.predict(X, raw_score=True)
    bias = logits - S.sum(axis=1)
    assert S.shape == X.shape
    assert S.dtype == np.float32
    np.testing.assert_allclose(bias, bias[0], atol=1e-4)  # the same expected logit for all rows
    assert np.abs(S[:, 0]).sum() > 10 * np.abs(S[:, 5]).sum()


@both_trees
def test_trees_are_positive_towards_malware(trees, explain_trees):
    model, X = trees
    S = explain_trees(model.booster_, X)
    assert S[X[:, 0] > 1, 0].mean() > 0 > S[X[:, 0] < -1, 0].mean()


@both_trees
def test_trees_of_many_classes_are_refused(rng, explain_trees):
    X = rng.normal(size=(90, WIDTH)).astype(np.float32)
    model = lightgbm.LGBMClassifier(n_estimators=2, n_jobs=1, verbose=-1)
    model.fit(X, np.arange(90) % 3)
    with pytest.raises(AttackError, match="two classes"):
        explain_trees(model.booster_, X)


@pytest.mark.parametrize("explainer", EXPLAINERS)
@pytest.mark.parametrize("kind", ["network", "trees"])
def test_the_result_may_take_the_place_of_the_rows(weights, rows, trees, kind, explainer):
    network = SimpleNamespace(network_=linear_network(weights))
    classifier = network if kind == "network" else trees[0]
    surrogate = surrogate_of(classifier, lambda rows: rows * 2)
    settings = {"background_rows": 9, "samples": 2, "seed": 1, "explainer": explainer}
    expected = explain(surrogate, rows, **settings)
    assert explain(surrogate, rows, **settings, out=rows) is rows
    assert rows.tobytes() == expected.tobytes()


@pytest.mark.parametrize("explainer", EXPLAINERS)
def test_explain_standardises_and_draws_its_background(weights, rows, explainer):
    X = rows * 10 + 4
    scaler = StandardScaler().fit(X)
    surrogate = surrogate_of(SimpleNamespace(network_=linear_network(weights)), scaler.transform)
    S = explain(surrogate, X, background_rows=1000, samples=100, seed=1, explainer=explainer)
    # All rows are the background, and their standardised mean is 0.
    expected = weights * scaler.transform(X)
    assert (np.abs(S - expected) <= 5.5 * np.abs(weights) / np.sqrt(100) + 1e-6).all()


def test_explain_finds_trees(trees):
    model, X = trees
    S = explain(surrogate_of(model), X, background_rows=5, samples=1, seed=1)
    assert np.array_equal(S, expected_gradients.explain_trees(model.booster_, X))


def test_an_unknown_explainer_names_the_key_and_what_is_known(weights, rows):
    surrogate = surrogate_of(SimpleNamespace(network_=linear_network(weights)))
    with pytest.raises(ConfigError, match=r"surrogate\.explainer: .*'lime'.*gradients, shap"):
        explain(surrogate, rows, background_rows=5, samples=1, seed=1, explainer="lime")


def test_explain_refuses_other_classifiers(rows):
    with pytest.raises(AttackError, match="type object cannot be explained"):
        explain(surrogate_of(object()), rows, background_rows=5, samples=1, seed=1)
