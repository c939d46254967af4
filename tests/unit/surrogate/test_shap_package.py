"""The shap package as an explainer: what it computes, and that it leaves no trace."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import lightgbm
import numpy as np
import pytest
import shap
import torch
from scipy.stats import spearmanr

from dokunuki.parts.building import MissingPackageError
from dokunuki.seeding import generator
from dokunuki.surrogate import expected_gradients, shap_package
from dokunuki.surrogate.explaining import explain

WIDTH = 25
# Two explanations of one network rank its columns alike; the probability's ranks others first.
ALIKE = 0.97


def gated_network():
    """Half of the columns count in rows only whose logit is far above 0: sigmoid hides them."""
    columns = np.arange(WIDTH - 1)
    weights = np.linspace(0.2, 3, WIDTH - 1) * np.where(columns % 3, 1, -1)
    gated = columns >= len(columns) // 2
    hidden, last = torch.nn.Linear(WIDTH, WIDTH + 1), torch.nn.Linear(WIDTH + 1, 1)
    with torch.no_grad():
        hidden.weight.zero_()
        hidden.bias.zero_()
        hidden.weight[:2, 0] = torch.tensor([1.0, -1.0])
        hidden.weight[2:, 0] = torch.tensor(gated * 6.0)
        hidden.weight[2:, 1:] = torch.eye(WIDTH - 1)
        hidden.bias[2:] = torch.tensor(np.where(gated, -6.0, 10.0))
        last.weight[0] = torch.tensor([8.0, -8.0, *weights])
        last.bias[0] = -10 * weights[~gated].sum()
    # Dropout makes the difference between training and evaluation mode visible.
    return torch.nn.Sequential(hidden, torch.nn.ReLU(), torch.nn.Dropout(0.5), last)


@pytest.fixture(scope="module")
def material():
    """Rows of other means than the background's, so that sums over them have a sign."""
    rng = np.random.default_rng(2)
    means = rng.permutation(np.linspace(-1, 1, WIDTH))
    rows = (rng.normal(size=(150, WIDTH)) + means).astype(np.float32)
    return rows, rng.normal(size=(40, WIDTH)).astype(np.float32)


@pytest.fixture
def small(material):
    rows, background = material
    return gated_network(), rows[:40], background  # more than one block


def agreement(first, second):
    """The rank correlations of the columns' sums of |S| and of S."""
    sums = [(np.abs(S).sum(axis=0), S.sum(axis=0)) for S in (first, second)]
    return [spearmanr(one, other).statistic for one, other in zip(*sums, strict=True)]


def test_both_explainers_rank_the_columns_alike_by_the_logit(material):
    rows, background = material
    network = gated_network()
    ours = expected_gradients.explain_network(
        network, rows, background, samples=100, seed=1, precision="float32"
    )
    theirs, of_probability = (
        shap_package.explain_network(explained, rows, background, samples=100, seed=1)
        for explained in (network, torch.nn.Sequential(network, torch.nn.Sigmoid()))
    )
    assert min(agreement(ours, theirs)) > ALIKE
    # The bound tells them apart, and one sign from the other.
    assert max(agreement(ours, of_probability)) < ALIKE
    assert min(agreement(ours, -theirs)) < -ALIKE


def test_the_first_block_is_what_shap_gives_for_its_seed(small, monkeypatch):
    network, rows, background = small
    monkeypatch.setattr(shap_package, "generator", lambda *_: SimpleNamespace(integers=lambda _: 7))
    S = shap_package.explain_network(network, rows, background, samples=5, seed=1)
    explainer = shap.GradientExplainer(network.eval(), torch.tensor(background))
    expected = explainer.shap_values(torch.tensor(rows[:32]), nsamples=5, rseed=7)[:, :, 0]
    np.testing.assert_allclose(S[:32], expected, rtol=1e-5, atol=1e-6)
    assert S.dtype == np.float32


def test_numpys_global_state_neither_matters_nor_changes(small):
    results = []
    for seed in (1, 2):
        np.random.seed(seed)
        expected = np.random.uniform()
        np.random.seed(seed)
        results.append(shap_package.explain_network(*small, samples=2, seed=5))
        assert np.random.uniform() == expected
    assert results[0].tobytes() == results[1].tobytes()


def test_numpys_global_state_is_put_back_after_an_error(small):
    class Failing(torch.nn.Module):
        def forward(self, rows):
            if rows.requires_grad:
                raise RuntimeError("out of memory")
            return rows[:, :1]

    np.random.seed(1)
    expected = np.random.uniform()
    np.random.seed(1)
    with pytest.raises(RuntimeError, match="out of memory"):
        shap_package.explain_network(Failing(), *small[1:], samples=2, seed=5)
    assert np.random.uniform() == expected


def test_shap_is_what_explains_and_in_float32_whatever_the_precision(small):
    network, rows, _ = small
    surrogate = SimpleNamespace(
        classifier_=SimpleNamespace(network_=network), standardise=lambda rows: rows
    )
    settings = {"background_rows": len(rows), "samples": 2, "seed": 1}
    explained = [
        explain(surrogate, rows, **settings, explainer=explainer, precision=precision)
        for explainer, precision in (
            ("shap", "float32"),
            ("shap", "bfloat16"),
            ("expected-gradients", "float32"),
        )
    ]
    drawn = generator(1, "explain", "background").choice(len(rows), len(rows), replace=False)
    expected = shap_package.explain_network(network, rows, rows[drawn], samples=2, seed=1)
    assert [S.tobytes() == expected.tobytes() for S in explained] == [True, True, False]


@pytest.mark.parametrize("categorical", [False, True])
def test_both_explainers_agree_on_trees(material, categorical, recwarn):
    X = np.round(material[0])
    y = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(int)
    model = lightgbm.LGBMClassifier(
        n_estimators=20, num_leaves=7, min_child_samples=5, n_jobs=1, verbose=-1
    )
    kinds = {"categorical_feature": [1]} if categorical else {}
    model.fit(np.abs(X), y, **kinds)
    # As a surrogate comes from its file.
    booster = lightgbm.Booster(model_str=model.booster_.model_to_string())
    recwarn.clear()
    ours, theirs = (
        module.explain_trees(booster, np.abs(X)) for module in (expected_gradients, shap_package)
    )
    assert theirs.dtype == np.float32
    assert np.abs(ours).max() > 0.1
    np.testing.assert_allclose(theirs, ours, atol=1e-4)
    assert not recwarn.list  # which would stand in every log


@pytest.mark.parametrize("kind", ["network_", "booster_"])
def test_a_missing_package_says_what_to_do(small, monkeypatch, kind):
    network, rows, _ = small
    surrogate = SimpleNamespace(
        classifier_=SimpleNamespace(**{kind: network}), standardise=lambda rows: rows
    )
    monkeypatch.setitem(sys.modules, "shap", None)
    message = r"surrogate\.explainer: .*pip install .* shap.*explainer: expected-gradients"
    with pytest.raises(MissingPackageError, match=message):
        explain(surrogate, rows, background_rows=1, samples=1, seed=1, explainer="shap")


def test_shap_is_not_imported_before_it_is_asked_for():
    code = "import sys, dokunuki.surrogate.explaining; sys.exit('shap' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
