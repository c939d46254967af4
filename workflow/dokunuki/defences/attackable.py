"""Any transformer of scikit-learn on the attackable region, as a control for the autoencoder.

The autoencoder replaces the attackable columns by 512 numbers, or by a reconstruction from these.
So do PCA, the best linear way, and a random projection, which learns nothing. Where these do as
well, it is the lossy compression that defends, not the autoencoder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np

from dokunuki.errors import ConfigError
from dokunuki.parts.building import build
from dokunuki.parts.estimator import Transformer, checked_rows
from dokunuki.parts.saving import SavedAsTensors, pack_part, unpack_part

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dokunuki.corpus.layout import FeatureLayout

OUTPUTS = ("code", "reconstruction")


@dataclass(eq=False, repr=False)
class AttackableTransform(SavedAsTensors, Transformer):
    """The attackable columns go through a transformer; the undefended ones stay.

    `transformer` is the dotted path of a scikit-learn transformer and `params` its parameters;
    `seed` and `threads` go to it where it takes `random_state` and `n_jobs`. With `output` "code"
    the classifier is given the undefended columns, followed by the transformed ones, as by AE enc.
    With "reconstruction" it is given rows of the old width and order, whose attackable columns are
    transformed and then transformed back by `inverse_transform`, as by AE.

    After `fit`: `transformer_`.
    """

    assumed_regions: ClassVar[tuple[str, ...]] = ("all",)

    layout: FeatureLayout
    transformer: str
    params: Mapping[str, Any] | None = None
    output: Literal["code", "reconstruction"] = "code"
    seed: int = 0
    threads: int = 1

    def fit(self, X: np.ndarray, y: np.ndarray | None = None) -> Self:
        """Fit the transformer on the attackable columns of contaminated rows, (n, width).

        Raises ConfigError for an unknown class, parameter or output, for a transformer without
        `inverse_transform` where one is needed, and where it cannot be fitted on so few rows or
        columns: PCA has no more components than there are of either.
        """
        if self.output not in OUTPUTS:
            raise ConfigError(f"output: {self.output!r} must be one of {', '.join(OUTPUTS)}")
        if not self.transformer.startswith("sklearn."):
            raise ConfigError(
                f"transformer: {self.transformer!r} is not scikit-learn's, and could not be read "
                "back; a transformer of your own is a defence by itself: name it as `class`"
            )
        made = build(self.transformer, self.params or {}, seed=self.seed, threads=self.threads)
        if self.output == "reconstruction" and not hasattr(made, "inverse_transform"):
            raise ConfigError(f"{self.transformer}: has no inverse_transform; set output: code")
        rows = self._attackable(X)
        try:
            self.transformer_ = made.fit(rows, y)
        except ValueError as error:
            raise ConfigError(
                f"{self.transformer}: cannot be fitted on {rows.shape[0]} training rows of "
                f"{rows.shape[1]} attackable columns with {self.params or {}}: {error}"
            ) from error
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Rows float32, with a code (n, undefended + code) or reconstructed (n, width)."""
        self.check_fitted("transformer_")
        X = checked_rows(X, self.layout.width)
        code = self.transformer_.transform(self._attackable(X))
        if self.output == "code":
            return np.hstack([X[:, self.layout.undefended], np.asarray(code, dtype=np.float32)])
        result = X.copy()
        result[:, self.layout.attackable] = self.transformer_.inverse_transform(code)
        return result

    def _attackable(self, X: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(checked_rows(X, self.layout.width)[:, self.layout.attackable])

    def _fitted_arrays(self) -> dict[str, np.ndarray]:
        self.check_fitted("transformer_")
        return {"transformer": pack_part(self.transformer_)}

    def _restore(self, arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
        self.transformer_ = unpack_part(arrays["transformer"])
