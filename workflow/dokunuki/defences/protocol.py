"""What a defence is: one of three kinds of scikit-learn style objects.

All see the same and nothing else: the contaminated training rows, standardised, float32
(n, width); their labels; and the feature layout, for a constructor that takes `layout`. There are
no clean rows, no poison count, no trigger. A constructor may also take `seed`, `device`,
`threads`, `precision`, `autoencoder` and `classifier`, a function without arguments that gives a
new unfitted instance of the victim's classifier (see `dokunuki.parts.building.build`).

- A **transformer** gives the classifier another representation, row by row. It is fitted once and
  applied to every row that is scored: any scikit-learn transformer serves.
- A **sampler** removes or alters training rows (imbalanced-learn's `fit_resample`). It has no part
  in scoring. If it sets `sample_indices_`, the detector passes on which rows were kept.
- A **meta-estimator** trains the classifier in its own way: it takes it as parameter `estimator`
  and has `fit` and `predict_proba`, as scikit-learn's `BaggingClassifier` has. One that certifies
  its predictions has a class attribute `certificate`, "rows" or "features", and a method
  `certified_radius(X)`, int32 (n,): the prediction of a row cannot change when at most that many
  training rows, or columns of the training rows and of the row itself, are altered in any way. 0
  is no guarantee.

A defence that is for comparison only may be told more, by methods of these names, called just
before `fit` or `fit_resample`. The `ledger` of its entry in the configuration must say so, for the
tables to show it; ConfigError when the two disagree.

- `give_clean_rows(X, y)`: trusted rows that no attacker saw, float32 (c, width), standardised by
  the contaminated rows' mean and scale, and their labels int8 (c,).
- `give_poison(mask)`: bool (n,), True for the training rows that are poisoned; all False where
  there is no attack.

A class attribute `raw_rows = True` asks for rows that are not standardised: the scaler is fitted on
all rows, and a certificate that counts altered rows holds only where no row reaches all others.

Tables say in which region of the columns a defence assumes the trigger to lie. It is read off the
object, and so cannot disagree with its parameters: off its attribute `assumed_regions` (names of
regions; the trigger lies in one of them) or, where it has none, its parameter `region`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from dokunuki.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

DefenceKind = Literal["transformer", "sampler", "meta-estimator"]


class Transformer(Protocol):
    """A defence by representation."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Fit on the contaminated rows."""

    def transform(self, X: np.ndarray) -> np.ndarray:
        """The representation of any rows, (n, new width); each row on its own."""


class Sampler(Protocol):
    """A defence by filtering."""

    def fit_resample(self, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The rows and labels to train on."""


class MetaEstimator(Protocol):
    """A defence by training; has the parameter `estimator`."""

    classes_: np.ndarray

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Fit on the contaminated rows."""

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities of the classes, (n, 2)."""


def defence_kind(defence: Any) -> DefenceKind:  # noqa: ANN401 - this is what tells
    """Which of the three kinds an object is; ConfigError when it is none of them."""
    cls = type(defence)
    parameters = defence.get_params(deep=False) if hasattr(defence, "get_params") else {}
    # Asked of the class: some meta-estimators have predict_proba only once they have an estimator.
    if "estimator" in parameters and hasattr(cls, "predict_proba"):
        return "meta-estimator"
    if hasattr(defence, "fit_resample"):
        return "sampler"
    if hasattr(defence, "fit") and hasattr(defence, "transform"):
        return "transformer"
    raise ConfigError(
        f"{cls.__module__}.{cls.__qualname__} is no defence: it has neither fit and transform "
        "(transformer), nor fit_resample (sampler), nor predict_proba and a parameter `estimator` "
        "(meta-estimator)"
    )


def assumed_regions(defence: Any) -> tuple[str, ...]:  # noqa: ANN401 - any defence
    """The regions in one of which a defence assumes a trigger to lie; empty for no assumption."""
    named = getattr(defence, "assumed_regions", getattr(defence, "region", ()))
    return (named,) if isinstance(named, str) else tuple(named)
