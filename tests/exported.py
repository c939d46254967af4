"""Small networks and rows that the tests of exported detectors share."""

from __future__ import annotations

import numpy as np

from dokunuki.corpus.layout import feature_layout
from dokunuki.networks.autoencoder import AutoencoderModel
from dokunuki.networks.embernn import EmberNN

LAYOUT = feature_layout(1)


def network(**params):
    """An EmberNN that trains in a moment."""
    given = {"hidden": [32, 16], "epochs": 4, "batch_size": 32, "learning_rate": 0.003} | params
    return EmberNN(device="cpu", precision="float32", **given)


def autoencoder(**params):
    """An autoencoder that trains in a moment."""
    given = {"hidden": 24, "code": 8, "epochs": 2, "batch_size": 32} | params
    return AutoencoderModel(device="cpu", precision="float32", **given)


def extreme_rows(X: np.ndarray) -> np.ndarray:
    """Finite rows far from all that a detector saw: huge, tiny, zero and mixed values."""
    rng = np.random.default_rng(7)
    shape = (12, X.shape[1])
    largest = np.finfo(np.float32).max
    return np.vstack(
        [
            np.zeros(shape),
            np.full((1, X.shape[1]), largest),
            np.full((1, X.shape[1]), -largest),
            np.full((1, X.shape[1]), np.finfo(np.float32).tiny),
            rng.choice([0, 1, -1, 1e-30, 1e30, largest, -largest], size=shape),
            rng.normal(size=shape) * 10 ** rng.uniform(-30, 30, size=shape),
            # Seen values, each column's from a row of its own.
            np.take_along_axis(X, rng.integers(0, len(X), shape), axis=0),
        ]
    ).astype(np.float32)
