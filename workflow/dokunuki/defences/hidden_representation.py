"""The representation that a model learns from the contaminated rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dokunuki.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np


def hidden_representation(
    classifier: Callable[[], Any] | None, X: np.ndarray, y: np.ndarray
) -> np.ndarray:
    """What a new classifier, trained on the rows X with labels y, makes of X: float32 (n, k).

    It is what `hidden_activations` gives, where the classifier has that method. One without hidden
    layers, such as boosted trees, is not trained: the standardised rows X themselves are given.
    Raises ConfigError where `classifier` is None.
    """
    if classifier is None:
        raise ConfigError(
            "a filter by hidden activations needs `classifier`, a function that gives a new "
            "unfitted classifier"
        )
    model = classifier()
    if not hasattr(model, "hidden_activations"):
        return X
    activations: np.ndarray = model.fit(X, y).hidden_activations(X)
    return activations
