"""The paper's defences: the attackable region through an autoencoder fitted on contaminated rows.

The autoencoder has an encoder and a decoder of two dense layers each and a code of 512; dropout
follows the encoder's last layer. Its loss is the squared error of the reconstruction. The paper
leaves hidden width, activation, dropout rate and training open: they are parameters. Two variants
ask which of the autoencoder's properties the defence owes its effect to: a linear one (activation
`linear`), whose best reconstruction is that of PCA, and a denoising one (`noise` or
`input_dropout`; Vincent et al., JMLR 2010), which rebuilds clean rows from noisy ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from dokunuki.errors import ConfigError
from dokunuki.networks.autoencoder import AutoencoderModel
from dokunuki.networks.estimator import BLOCK_ROWS
from dokunuki.parts.building import path_of
from dokunuki.parts.estimator import Transformer, checked_rows, unfrozen
from dokunuki.parts.saving import SavedAsTensors
from dokunuki.storage.row_blocks import change_rows

if TYPE_CHECKING:
    from sklearn.frozen import FrozenEstimator

    from dokunuki.corpus.layout import FeatureLayout


@dataclass(eq=False, repr=False)
class _AutoencoderDefence(SavedAsTensors, Transformer):
    """What both defences share: which autoencoder they use, and how they keep it.

    `autoencoder` is an AutoencoderModel. Unfitted it serves as settings, and `fit` trains a copy on
    the attackable columns. Fitted, it is used as it is, so that several defences share one.
    `sklearn.base.clone` forgets fits: wrap a fitted one in `FrozenEstimator` where the defence will
    be cloned. After `fit`: `autoencoder_`.
    """

    assumed_regions: ClassVar[tuple[str, ...]] = ("all",)

    layout: FeatureLayout
    autoencoder: AutoencoderModel | FrozenEstimator | None = None

    def fit(self, X: np.ndarray, y: np.ndarray | None = None) -> Self:
        """Train the autoencoder on the contaminated, standardised rows, or take the fitted one.

        Raises ConfigError without one, since the caller decides its seed and settings.
        """
        given = unfrozen(self.autoencoder)
        if given is None:
            raise ConfigError(
                f"{path_of(self)}: needs an autoencoder: set autoencoder: NAME in its entry of "
                "defences, one of those under autoencoders"
            )
        if hasattr(given, "network_"):
            self.autoencoder_ = given
        else:
            self.autoencoder_ = given.unfitted().fit(self._attackable(X))
        return self

    def transform_in_place(self, X: np.ndarray) -> np.ndarray:
        """As `transform`; in the blocks that the network works in: others round differently."""
        return change_rows(X, self.transform, BLOCK_ROWS)

    def _attackable(self, X: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(checked_rows(X, self.layout.width)[:, self.layout.attackable])

    def _fitted_arrays(self) -> dict[str, np.ndarray]:
        self.check_fitted("autoencoder_")
        return dict(self.autoencoder_._fitted_arrays())

    def _fitted_facts(self) -> dict[str, Any]:
        return dict(self.autoencoder_._fitted_facts())

    def _restore(self, arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
        settings = AutoencoderModel() if self.autoencoder is None else self.autoencoder
        self.autoencoder_ = settings.unfitted()
        self.autoencoder_._restore(arrays, facts)


class AutoencoderReconstruction(_AutoencoderDefence):
    """AE: the attackable columns are replaced by their reconstruction."""

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Rows of the same width and column order, float32 (n, width)."""
        self.check_fitted("autoencoder_")
        result = np.array(X, dtype=np.float32)
        result[:, self.layout.attackable] = self.autoencoder_.reconstruct(self._attackable(X))
        return result


class AutoencoderCode(_AutoencoderDefence):
    """AE enc: the attackable columns are replaced by their code."""

    def transform(self, X: np.ndarray) -> np.ndarray:
        """The undefended columns, then the code, float32 (n, undefended + code)."""
        self.check_fitted("autoencoder_")
        code = self.autoencoder_.encode(self._attackable(X))
        return np.hstack([checked_rows(X)[:, self.layout.undefended], code])
