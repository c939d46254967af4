import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA

from dokunuki.corpus.layout import feature_layout
from dokunuki.defences.attackable import AttackableTransform
from dokunuki.errors import ConfigError

LAYOUT = feature_layout(1)
ATTACKABLE, UNDEFENDED = LAYOUT.attackable, LAYOUT.undefended
PCA_PATH = "sklearn.decomposition.PCA"
PROJECTION = "sklearn.random_projection.GaussianRandomProjection"
QUANTILES = "sklearn.preprocessing.QuantileTransformer"


def _projection(width):
    return PROJECTION, {"n_components": width, "compute_inverse_components": True}


KINDS = [
    (PCA_PATH, {"n_components": 5, "svd_solver": "full"}),
    _projection(5),
    (QUANTILES, {"output_distribution": "normal", "n_quantiles": 10}),
]


@pytest.fixture
def rows(rng):
    return rng.normal(size=(40, LAYOUT.width)).astype(np.float32)


def test_pca_of_full_width_is_no_defence(rng):
    # Thirty rows have at most 30 components: with all of them nothing is lost.
    X = rng.normal(size=(30, LAYOUT.width)).astype(np.float32)
    defence = AttackableTransform(LAYOUT, PCA_PATH, {"svd_solver": "full"}, "reconstruction")
    np.testing.assert_allclose(defence.fit(X).transform(X), X, atol=1e-4)
    fewer = AttackableTransform(LAYOUT, PCA_PATH, {"n_components": 10}, "reconstruction")
    assert np.abs(fewer.fit(X).transform(X) - X).max() > 0.5


def test_pca_loses_what_is_worked_by_hand(rng):
    # Three attackable columns vary, orthogonally, with the variances 4, 1 and 0.25 of four rows:
    # two components keep the first two and give the third its mean, 0.
    signs = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    X = np.zeros((4, LAYOUT.width), dtype=np.float32)
    X[:, ATTACKABLE[[3, 700, 1500]]] = signs * [2.0, 1.0, 0.5]
    X[:, UNDEFENDED] = rng.normal(size=(4, 512))
    expected = X.copy()
    expected[:, ATTACKABLE[1500]] = 0
    params = {"n_components": 2, "svd_solver": "full"}
    rebuilt = AttackableTransform(LAYOUT, PCA_PATH, params, "reconstruction").fit(X).transform(X)
    np.testing.assert_allclose(rebuilt, expected, atol=1e-5)
    code = AttackableTransform(LAYOUT, PCA_PATH, params).fit(X).transform(X)
    assert code.shape == (4, 512 + 2)
    np.testing.assert_array_equal(code[:, :512], X[:, UNDEFENDED])
    np.testing.assert_allclose(np.abs(code[:, 512:]), [[2.0, 1.0]] * 4, atol=1e-5)


def test_a_projection_is_rebuilt_by_its_pseudoinverse(rows):
    defence = AttackableTransform(LAYOUT, *_projection(5), output="reconstruction", seed=3)
    represented = defence.fit(rows).transform(rows)
    matrix = defence.transformer_.components_
    expected = rows[:, ATTACKABLE] @ matrix.T @ np.linalg.pinv(matrix).T
    np.testing.assert_allclose(represented[:, ATTACKABLE], expected, atol=1e-4)
    np.testing.assert_array_equal(represented[:, UNDEFENDED], rows[:, UNDEFENDED])


def test_quantiles_become_normal_and_keep_the_order(rng):
    X = np.zeros((99, LAYOUT.width), dtype=np.float32)
    X[:, ATTACKABLE[0]] = np.exp(rng.normal(size=99) * 3)
    params = {"output_distribution": "normal", "n_quantiles": 99}
    code = AttackableTransform(LAYOUT, QUANTILES, params).fit(X).transform(X)[:, 512]
    np.testing.assert_array_equal(np.argsort(code), np.argsort(X[:, ATTACKABLE[0]]))
    # The quartiles of the standard normal distribution.
    np.testing.assert_allclose(np.percentile(code, [25, 50, 75]), [-0.674, 0, 0.674], atol=0.02)


def test_in_place_gives_the_same(rows):
    for output in ("code", "reconstruction"):
        defence = AttackableTransform(LAYOUT, *KINDS[0], output=output).fit(rows)
        expected = defence.transform(rows)
        np.testing.assert_array_equal(defence.transform_in_place(rows.copy()), expected)


def test_the_seed_decides_the_projection(rows):
    codes = [
        clone(AttackableTransform(LAYOUT, *_projection(5), seed=seed)).fit(rows).transform(rows)
        for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(codes[0], codes[1])
    assert not np.array_equal(codes[0], codes[2])


def test_more_components_than_rows_are_explained(rows):
    with pytest.raises(ConfigError, match=r"PCA: .*40 training rows of 1839.*n_components=512"):
        AttackableTransform(LAYOUT, PCA_PATH, {"n_components": 512}).fit(rows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((PCA_PATH, {"components": 3}), "has no parameter 'components'"),
        ((PCA_PATH, {}, "both"), "output: 'both' must be one of code, reconstruction"),
        (("sklearn.manifold.Isomap", {}, "reconstruction"), "has no inverse_transform"),
        ((f"{PCA.__module__}.PCAA", {}), "did you mean 'PCA'"),
        (("lightgbm.LGBMClassifier", {}), "is not scikit-learn's"),
    ],
)
def test_what_cannot_serve_is_named(rows, arguments, message):
    with pytest.raises(ConfigError, match=message):
        AttackableTransform(LAYOUT, *arguments).fit(rows)
