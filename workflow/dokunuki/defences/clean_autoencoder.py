"""The autoencoder of Lee et al.: trained on clean rows, applied to the training rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from dokunuki.errors import ConfigError
from dokunuki.networks.autoencoder import AutoencoderModel
from dokunuki.parts.building import build
from dokunuki.parts.estimator import Estimator, checked_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dokunuki.corpus.layout import FeatureLayout


@dataclass(eq=False, repr=False)
class CleanAutoencoder(Estimator):
    """Rebuilds the attackable columns of the training rows from clean rows' regularities.

    A sampler: all rows and labels stay, and rows that are scored later are not rebuilt. It needs
    what no defender of the paper has, rows that no attacker saw, and stands for comparison only.

    That the autoencoder is trained on clean rows and applied to training rows alone is how
    Matsumoto et al. describe Lee et al., whose own text was not at hand. Network and columns are
    therefore those of the paper's defence (`dokunuki.defences.autoencoder`): what differs is what
    it learns from. `params` are those of its AutoencoderModel.

    After `fit_resample`: `autoencoder_`.
    """

    assumed_regions: ClassVar[tuple[str, ...]] = ("all",)

    layout: FeatureLayout
    params: Mapping[str, Any] | None = None
    seed: int = 0
    device: str = "auto"
    threads: int = 1
    precision: str = "auto"

    def give_clean_rows(self, X: np.ndarray, y: np.ndarray) -> None:
        """Take clean rows, standardised as the training rows are, float32 (c, width)."""
        self._clean = self._attackable(X)

    def fit_resample(self, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The contaminated rows, float32 (n, width), with attackable columns rebuilt; the labels.

        Raises ConfigError when no clean rows were given or a parameter is wrong, and
        TrainingDivergedError when the autoencoder's training diverges.
        """
        if len(getattr(self, "_clean", ())) < 2:
            raise ConfigError(
                "CleanAutoencoder: was given no clean rows; set sample.clean_rows and, in its "
                "entry of defences, ledger: {clean_rows: true}"
            )
        model = build(
            AutoencoderModel,
            self.params or {},
            seed=self.seed,
            device=self.device,
            threads=self.threads,
            precision=self.precision,
        )
        self.autoencoder_ = model.fit(self._clean)
        rows = np.array(checked_rows(X, self.layout.width))
        rows[:, self.layout.attackable] = self.autoencoder_.reconstruct(self._attackable(X))
        return rows, np.asarray(y)

    def _attackable(self, X: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(checked_rows(X, self.layout.width)[:, self.layout.attackable])
