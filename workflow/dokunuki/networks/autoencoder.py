"""The paper's autoencoder: an encoder and a decoder of two dense layers each.

Dropout follows the encoder's last layer; the loss is the squared error of the reconstruction. The
paper leaves hidden width, activation, dropout rate and training open: they are parameters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from torch import nn

from dokunuki.errors import ConfigError
from dokunuki.networks.estimator import NetworkEstimator
from dokunuki.networks.layers import GaussianNoise
from dokunuki.networks.losses import SquaredLoss
from dokunuki.parts.estimator import checked_rows

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "elu": nn.ELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "linear": nn.Identity,
}


class Autoencoder(nn.Sequential):
    """width -> hidden -> code -> hidden -> width, with a linear code.

    The activation follows the two hidden layers; dropout follows the code, in training only. The
    output is linear, or with `unit_range` a sigmoid. In training, too, normal noise of standard
    deviation `noise` is added to the rows, and then dropout of `input_dropout` applied to them.
    """

    def __init__(
        self,
        width: int,
        hidden: int,
        code: int,
        activation: str,
        dropout: float,
        noise: float = 0.0,
        input_dropout: float = 0.0,
        unit_range: bool = False,
    ) -> None:
        # Sequential applies what it holds in the order of these lines.
        super().__init__()
        activate = ACTIVATIONS[activation]
        self.corruption = nn.Sequential(
            GaussianNoise(noise) if noise else nn.Identity(), nn.Dropout(input_dropout)
        )
        self.encoder = nn.Sequential(nn.Linear(width, hidden), activate(), nn.Linear(hidden, code))
        self.dropout = nn.Dropout(dropout)
        output = nn.Sigmoid() if unit_range else nn.Identity()
        self.decoder = nn.Sequential(
            nn.Linear(code, hidden), activate(), nn.Linear(hidden, width), output
        )


@dataclass(kw_only=True, eq=False, repr=False)
class AutoencoderModel(NetworkEstimator):
    """An autoencoder for the standardised attackable columns, float32 (n, attackable).

    `hidden` is the width of the two inner layers, `code` that of the code, `activation` one of
    relu, elu, tanh, sigmoid, linear. With `unit_range` the network sees and rebuilds each column
    scaled to [0, 1], its range in the training rows, and its output is a sigmoid: a common form
    around 2020. What `reconstruct` gives is in the units of X all the same. `noise` (standard
    deviation of normal noise, in those of the columns) and `input_dropout` (share of values set to
    0, the column's mean, the others scaled up to keep the mean) disturb the rows that it reads in
    training, never those that it is to rebuild. The other parameters are those of
    `TrainingSettings` and of `NetworkEstimator`.

    Trained on the squared error averaged over rows *and columns*: the paper's mean over rows of
    the squared Euclidean norm, divided by the width. Both have the same minimum, and to the
    optimiser the factor is one of the learning rate. So `history_` tells the share of the
    variance, which standardising made 1 a column, that is left unexplained; not with `unit_range`,
    whose loss is in units of the range.

    After `fit`: `network_` (an Autoencoder in evaluation mode), `device_`, `n_features_in_`,
    `history_`; with `unit_range` `low_` and `span_`, least value and range of each column, float32
    (width,).
    """

    _stream: ClassVar[str] = "Autoencoder"

    hidden: int = 1024
    code: int = 512
    activation: str = "relu"
    dropout: float = 0.2
    noise: float = 0.0
    unit_range: bool = False
    batch_size: int = 256
    epochs: int = 30

    def fit(
        self, X: np.ndarray, y: np.ndarray | None = None, validation: np.ndarray | None = None
    ) -> Self:
        """Train from scratch without labels; `validation` rows are only watched, in `history_`.

        Raises ConfigError for a parameter out of range, DeviceError for an absent device,
        TrainingDivergedError when the loss does not stay finite.
        """
        X = checked_rows(X)
        self.n_features_in_ = X.shape[1]
        if self.unit_range:
            self.low_, self.span_ = X.min(axis=0), np.ptp(X, axis=0)
            X = self._scaled(X)
            validation = None if validation is None else self._scaled(validation)
        self._train(SquaredLoss, X, None, None if validation is None else (validation, None))
        return self

    def encode(self, X: np.ndarray) -> np.ndarray:
        """The code of each row, float32 (n, code)."""
        self.check_fitted("network_")
        return self._apply(self.network_.encoder, self._scaled(X), self.code)

    def reconstruct(self, X: np.ndarray) -> np.ndarray:
        """The reconstruction of each row, float32 (n, width)."""
        self.check_fitted("network_")
        rebuilt = self._apply(self.network_, self._scaled(X), self.n_features_in_)
        return rebuilt * self.span_ + self.low_ if self.unit_range else rebuilt

    def _scaled(self, X: np.ndarray) -> np.ndarray:
        """What the network sees of rows; 0 in a column that is constant in the training rows."""
        if not self.unit_range:
            return X
        inverse = np.divide(1, self.span_, out=np.zeros_like(self.span_), where=self.span_ > 0)
        scaled: np.ndarray = (checked_rows(X, self.n_features_in_) - self.low_) * inverse
        return scaled

    def _network(self) -> Autoencoder:
        if self.activation not in ACTIVATIONS:
            raise ConfigError(
                f"activation: unknown {self.activation!r}; known: {', '.join(ACTIVATIONS)}"
            )
        self._check_dropout()
        if not 0 <= self.noise < math.inf:
            raise ConfigError(f"noise: {self.noise!r} must be finite and at least 0")
        for name in ("hidden", "code"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: {getattr(self, name)!r} must be at least 1")
        return Autoencoder(
            self.n_features_in_,
            self.hidden,
            self.code,
            self.activation,
            self.dropout,
            self.noise,
            self.input_dropout,
            self.unit_range,
        )

    def _fitted_arrays(self) -> dict[str, np.ndarray]:
        scales = {"low": self.low_, "span": self.span_} if self.unit_range else {}
        return {**super()._fitted_arrays(), **scales}

    def _restore(self, arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
        held = dict(arrays)
        if self.unit_range:
            self.low_, self.span_ = held.pop("low"), held.pop("span")
        super()._restore(held, facts)
