"""How a surrogate is explained: by which explainer, of which rows, against which background.

What is explained is the model's logit, not its probability, so that contributions add up. Networks
are explained by expected gradients, boosted trees by exact tree SHAP.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dokunuki.errors import AttackError, ConfigError
from dokunuki.seeding import generator
from dokunuki.storage.row_blocks import row_blocks
from dokunuki.surrogate import expected_gradients, shap_package
from dokunuki.surrogate.explanations import EXPECTED_GRADIENTS
from dokunuki.surrogate.share import known_part

if TYPE_CHECKING:
    from collections.abc import Callable

    from dokunuki.corpus.vectors import Vectors
    from dokunuki.detector import Detector
    from dokunuki.surrogate.protocol import Surrogate


class Explainer(NamedTuple):
    """The two functions of an explainer, of networks and of boosted trees."""

    network: Callable[..., np.ndarray]
    trees: Callable[..., np.ndarray]


def _explainer(name: str, precision: str) -> Explainer:
    """The explainer of that name, its products in `precision` where it leaves the choice."""
    explainers = {
        EXPECTED_GRADIENTS: Explainer(
            partial(expected_gradients.explain_network, precision=precision),
            expected_gradients.explain_trees,
        ),
        "shap": Explainer(shap_package.explain_network, shap_package.explain_trees),
    }
    if name not in explainers:
        raise ConfigError(
            f"surrogate.explainer: unknown explainer {name!r}; known: {', '.join(explainers)}"
        )
    return explainers[name]


def explain(
    surrogate: Surrogate,
    X: np.ndarray,
    *,
    background_rows: int,
    samples: int,
    seed: int,
    explainer: str = EXPECTED_GRADIENTS,
    precision: str = "auto",
    out: np.ndarray | None = None,
) -> np.ndarray:
    """SHAP values S of the surrogate's logit for raw training rows X: float32, as wide as X.

    A classifier with a `booster_` (LightGBM) is explained exactly; one with a `network_` that gives
    logits by expected gradients, against `background_rows` rows drawn from X, with `samples`
    samples per row. `explainer` is expected-gradients, with products in `precision`, or shap, the
    package itself, in float32. `out`, where given, takes the result, and may be X itself. Raises
    AttackError when the classifier is neither, ConfigError for another explainer, and
    MissingPackageError where shap is asked for and cannot be imported.
    """
    chosen = _explainer(explainer, precision)
    classifier = surrogate.classifier_
    booster: Any = getattr(classifier, "booster_", None)
    network: Any = getattr(classifier, "network_", None)
    if booster is None and network is None:
        raise AttackError(
            f"a surrogate of type {type(classifier).__name__} cannot be explained: it has neither "
            "boosted trees (booster_, LightGBM) nor a torch network (network_, EmberNN); name such "
            "a classifier as surrogate.classifier, or as the attack's surrogate"
        )
    standardised = np.empty(X.shape, dtype=np.float32) if out is None else out
    for rows in row_blocks(len(X)):
        standardised[rows] = surrogate.standardise(X[rows])
    if booster is not None:
        return chosen.trees(booster, standardised, out=standardised)
    draw = generator(seed, "explain", "background")
    background = draw.choice(len(X), size=min(background_rows, len(X)), replace=False)
    return chosen.network(
        network,
        standardised,
        standardised[background],
        samples=samples,
        seed=seed,
        out=standardised,
    )


def explain_surrogate(
    surrogate: Detector,
    vectors: Vectors,
    *,
    background: int,
    samples: int,
    seed: int,
    explainer: str = EXPECTED_GRADIENTS,
    precision: str = "auto",
    share: float = 100,
) -> np.ndarray:
    """SHAP values of the training rows that it was trained on, float32 (rows, width).

    `share` and `seed` must be those of `train_surrogate`. For the rest see `explain`.
    """
    rows, _ = known_part(vectors, share, seed)
    return explain(
        surrogate,
        rows,
        background_rows=background,
        samples=samples,
        seed=seed,
        explainer=explainer,
        precision=precision,
        out=rows,
    )
