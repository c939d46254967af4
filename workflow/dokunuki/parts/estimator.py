"""scikit-learn's estimator conventions for our own parts, without importing scikit-learn.

A job trains a network for seconds, and importing scikit-learn costs one; our parts therefore speak
its protocol instead of inheriting it. They clone, sit in pipelines and ensembles, and print as
scikit-learn's own do.
"""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np

from dokunuki.errors import DokunukiError
from dokunuki.storage.row_blocks import change_rows

if TYPE_CHECKING:
    from sklearn.utils import Tags


class NotFittedError(DokunukiError, ValueError, AttributeError):
    """A part was used before `fit`; a ValueError and AttributeError as scikit-learn's is."""


class Estimator:
    """Parameters are the constructor's arguments, stored under their own names."""

    _estimator_type: ClassVar[Literal["classifier", "transformer"] | None] = None

    @classmethod
    def _parameter_names(cls) -> list[str]:
        if cls.__init__ is object.__init__:
            return []
        signature = inspect.signature(cls.__init__)
        return sorted(name for name in signature.parameters if name != "self")

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's arguments; with `deep`, those of parts among them as `part__name`."""
        params: dict[str, Any] = {}
        for name in self._parameter_names():
            value = getattr(self, name)
            params[name] = value
            if deep and hasattr(value, "get_params") and not isinstance(value, type):
                nested = value.get_params(deep=True)
                params |= {f"{name}__{inner}": held for inner, held in nested.items()}
        return params

    def set_params(self, **params: Any) -> Self:  # noqa: ANN401
        """Change parameters, `part__name` in a part; ValueError for an unknown one."""
        for key, value in params.items():
            name, _, inner = key.partition("__")
            if name not in self._parameter_names():
                raise ValueError(f"{type(self).__name__} has no parameter {name!r}")
            if inner:
                getattr(self, name).set_params(**{inner: value})
            else:
                setattr(self, name, value)
        return self

    def unfitted(self) -> Self:
        """A new part of the same class with the same parameters."""
        return type(self)(**self.get_params(deep=False))

    def check_fitted(self, attribute: str) -> None:
        """Raise NotFittedError when `fit` did not leave `attribute` yet."""
        if not hasattr(self, attribute):
            raise NotFittedError(f"{type(self).__name__} is not fitted yet; call fit first")

    def __repr__(self) -> str:
        inside = ", ".join(f"{k}={v!r}" for k, v in self.get_params(deep=False).items())
        return f"{type(self).__name__}({inside})"

    def __sklearn_is_fitted__(self) -> bool:
        return any(name.endswith("_") and not name.startswith("_") for name in vars(self))

    def __sklearn_tags__(self) -> Tags:
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags, TransformerTags

        kind = self._estimator_type
        return Tags(
            estimator_type=kind,
            target_tags=TargetTags(required=kind == "classifier"),
            classifier_tags=ClassifierTags(multi_class=False) if kind == "classifier" else None,
            transformer_tags=TransformerTags() if kind == "transformer" else None,
            input_tags=InputTags(),
        )


class Classifier(Estimator):
    """What scikit-learn's ClassifierMixin adds."""

    _estimator_type = "classifier"

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The class of each row, (n,)."""
        raise NotImplementedError

    def score(self, X: np.ndarray, y: np.ndarray) -> float:
        """Accuracy."""
        return float(np.mean(self.predict(X) == y))


class Transformer(Estimator):
    """What scikit-learn's TransformerMixin adds."""

    _estimator_type = "transformer"

    def fit(self, X: np.ndarray, y: np.ndarray | None = None) -> Self:
        """Learn from rows."""
        raise NotImplementedError

    def transform(self, X: np.ndarray) -> np.ndarray:
        """The representation of rows, each row on its own."""
        raise NotImplementedError

    def transform_in_place(self, X: np.ndarray) -> np.ndarray:
        """As `transform`, but what comes out may lie in the memory of X, whose rows are lost."""
        return change_rows(X, self.transform)

    def fit_transform(self, X: np.ndarray, y: np.ndarray | None = None) -> np.ndarray:
        """`fit`, then `transform` the same rows."""
        return self.fit(X, y).transform(X)


def checked_rows(X: np.ndarray, width: int | None = None) -> np.ndarray:
    """`X` as float32 (n, width); ValueError for another shape, NaN or infinity."""
    rows = np.asarray(X, dtype=np.float32)
    if rows.ndim != 2 or (width is not None and rows.shape[1] != width):
        wanted = "(rows, columns)" if width is None else f"(rows, {width})"
        raise ValueError(f"X has shape {rows.shape}, not {wanted}")
    # Extremes carry NaN and infinity, and need no matrix of truth values.
    if rows.size and not np.isfinite([rows.min(), rows.max()]).all():
        raise ValueError("X contains NaN or infinity")
    return rows


def unfrozen(part: Any) -> Any:  # noqa: ANN401 - any estimator
    """What scikit-learn's FrozenEstimator holds; anything else as it is."""
    frozen = sys.modules.get("sklearn.frozen")  # not imported: nobody can have made one
    return part.estimator if frozen and isinstance(part, frozen.FrozenEstimator) else part
