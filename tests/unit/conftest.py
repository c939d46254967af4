"""Small attackers: rows and explanations that are zero but for the columns under test."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from dokunuki.attacks.protocol import AttackerKnowledge
from dokunuki.corpus.layout import feature_layout


class LogisticModel:
    """p(malware) = sigmoid(w . x): its loss gradient is known in closed form."""

    def __init__(self, weights: np.ndarray) -> None:
        self.weights = weights

    def loss_gradient(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        probability = 1 / (1 + np.exp(-(X.astype(np.float64) @ self.weights)))
        return np.mean(probability - y) * self.weights


@pytest.fixture(scope="session")
def layout():
    return feature_layout(1)


@pytest.fixture(scope="session")
def widened(layout):
    """Put a small matrix into some columns of an otherwise constant matrix of full width."""

    def build(small, columns, elsewhere=0.0):
        small = np.asarray(small, dtype=np.float32)
        full = np.full((len(small), layout.width), elsewhere, dtype=np.float32)
        full[:, columns] = small
        return full

    return build


@pytest.fixture(scope="session")
def knowing(layout):
    """AttackerKnowledge of rows and explanations; every other row is malware."""

    def build(X, S=None, y=None, surrogate=None):
        labels = np.arange(len(X)) % 2 if y is None else np.asarray(y)
        return AttackerKnowledge(
            X=X,
            y=labels,
            layout=layout,
            explanations=S,
            surrogate=surrogate,
            seed=7,
            name="embernn",
            dataset="toy",
        )

    return build


@pytest.fixture(scope="session")
def logistic_surrogate():
    """A surrogate whose scaler is fitted on X and whose classifier has the given weights."""

    def build(X, weights):
        scaler = StandardScaler().fit(X)
        return SimpleNamespace(
            scaler_=scaler, standardise=scaler.transform, classifier_=LogisticModel(weights)
        )

    return build
