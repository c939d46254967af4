"""EmberNN: the dense network that the paper attacks and defends, as a scikit-learn classifier.

The paper has three hidden layers, each as wide as the input; Severi et al. (USENIX Security 2021)
have hidden layers of 4000, 2000 and 100 units. In both, every hidden layer is ReLU, then batch
normalisation, then dropout, and the last layer is one sigmoid unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from torch import nn

from dokunuki.errors import ConfigError, DokunukiError
from dokunuki.networks.devices import to_tensor
from dokunuki.networks.estimator import NetworkEstimator
from dokunuki.networks.losses import CrossEntropy
from dokunuki.parts.estimator import Classifier, checked_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dokunuki.networks.losses import Loss
    from dokunuki.networks.training import Augmentation

_PAPER_HIDDEN_LAYERS = 3


def dense_network(
    width: int, hidden: Sequence[int], dropout: float, input_dropout: float
) -> nn.Sequential:
    """The network from `width` standardised features to one logit, with torch's initial weights."""
    layers: list[nn.Module] = [nn.Dropout(input_dropout)] if input_dropout else []
    inputs = width
    for units in hidden:
        layers += [nn.Linear(inputs, units), nn.ReLU(), nn.BatchNorm1d(units), nn.Dropout(dropout)]
        inputs = units
    return nn.Sequential(*layers, nn.Linear(inputs, 1))


@dataclass(kw_only=True, eq=False, repr=False)
class EmberNN(NetworkEstimator, Classifier):
    """A dense network for standardised rows, float32 (n, width), and two classes.

    `hidden` is "paper" (three layers as wide as the input) or the units of each hidden layer.
    `dropout` follows every hidden layer, `input_dropout` the input. The other parameters are
    those of `TrainingSettings` and of `NetworkEstimator`.

    After `fit`: `network_` (torch module, logits (n, 1), in evaluation mode, on the device),
    `device_`, `classes_`, `n_features_in_`, `history_` (loss per epoch: binary cross-entropy).
    """

    _stream: ClassVar[str] = "EmberNN"

    hidden: str | Sequence[int] = "paper"
    dropout: float = 0.5

    def fit(
        self,
        X: np.ndarray,
        y: np.ndarray,
        validation: tuple[np.ndarray, np.ndarray] | None = None,
        *,
        loss: Loss = CrossEntropy,
        augment: Augmentation | None = None,
    ) -> Self:
        """Train from scratch; `validation` rows are only watched, in `history_`.

        `loss` is one of one logit and targets, `augment` changes batches as in `training.train`.
        Raises ConfigError for a parameter out of range, DeviceError for an absent device,
        TrainingDivergedError when the loss does not stay finite.
        """
        X, y = _checked(X, y)
        self.n_features_in_ = X.shape[1]
        self.classes_ = np.unique(y)
        if len(self.classes_) != 2:
            raise DokunukiError(
                f"EmberNN: the training rows hold {len(self.classes_)} classes; give it rows of two"
            )
        held_out = None
        if validation is not None:
            held_out = (np.asarray(validation[0]), self._targets(validation[1]))
        self._train(loss, X, self._targets(y), held_out, augment=augment)
        return self

    def fit_more(
        self,
        X: np.ndarray,
        y: np.ndarray,
        *,
        loss: Loss = CrossEntropy,
        augment: Augmentation | None = None,
        **changes: Any,  # noqa: ANN401
    ) -> Self:
        """Train on from the present weights, on further rows of the same width and classes.

        `changes` replace fields of `TrainingSettings` for this training, whose losses `history_`
        then holds; `loss` and `augment` are as in `fit`. Raises what `fit` raises, and
        NotFittedError before it.
        """
        self.check_fitted("network_")
        X, y = _checked(X, y, self.n_features_in_)
        self._train(loss, X, self._targets(y), None, changes, augment)
        return self

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        """Logits of the second class, float32 (n,)."""
        self.check_fitted("network_")
        return self._apply(self.network_, X, 1)[:, 0]

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities of both classes, float32 (n, 2)."""
        second = torch.sigmoid(torch.from_numpy(self.decision_function(X))).numpy()
        return np.column_stack([1 - second, second])

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The second class (malware) where its probability is at least 0.5, else the first."""
        second = self.predict_proba(X)[:, 1] >= 0.5
        return np.asarray(self.classes_[second.astype(int)])

    def hidden_activations(self, X: np.ndarray) -> np.ndarray:
        """What the last layer is given of each row, float32 (n, units of the last hidden layer)."""
        self.check_fitted("network_")
        return self._apply(self.network_[:-1], X, self.network_[-1].in_features)

    def losses(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The binary cross-entropy of each row with its label, float32 (n,)."""
        logits = torch.from_numpy(self.decision_function(X))
        targets = torch.from_numpy(self._targets(y))
        return nn.functional.binary_cross_entropy_with_logits(
            logits, targets, reduction="none"
        ).numpy()

    def loss_gradient(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Mean gradient of the binary cross-entropy by the inputs over the rows, float64 (width,).

        Taken in evaluation mode, so that rows do not influence each other through batch
        normalisation; it is the gradient that FGSM takes the sign of.
        """
        targets = self._targets(y)
        if not len(targets):
            raise DokunukiError(
                "EmberNN: the mean gradient needs rows, and got none; give it at least one"
            )
        total = np.zeros(self.n_features_in_)
        start = 0
        for rows in self._blocks(X):
            rows.requires_grad_()
            wanted = to_tensor(targets[start : start + len(rows)], rows.device)
            start += len(rows)
            losses = nn.functional.binary_cross_entropy_with_logits(
                self.network_(rows).squeeze(1), wanted, reduction="sum"
            )
            (gradient,) = torch.autograd.grad(losses, rows)
            total += gradient.sum(dim=0, dtype=torch.float64).cpu().numpy()
        return total / len(targets)

    def _network(self) -> nn.Sequential:
        if isinstance(self.hidden, str):
            if self.hidden != "paper":
                raise ConfigError(
                    f"hidden: {self.hidden!r} must be 'paper' or a list of layer widths"
                )
            hidden: Sequence[int] = [self.n_features_in_] * _PAPER_HIDDEN_LAYERS
        else:
            hidden = list(self.hidden)
        if not hidden or min(hidden) < 1:
            raise ConfigError(f"hidden: {self.hidden!r} must name at least one width, all above 0")
        self._check_dropout()
        return dense_network(self.n_features_in_, hidden, self.dropout, self.input_dropout)

    def _targets(self, y: np.ndarray) -> np.ndarray:
        return np.asarray(np.asarray(y) == self.classes_[1], dtype=np.float32)

    def _fitted_facts(self) -> dict[str, Any]:
        return {**super()._fitted_facts(), "classes": self.classes_.tolist()}

    def _restore(self, arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
        super()._restore(arrays, facts)
        self.classes_ = np.array(facts["classes"])


def _checked(
    X: np.ndarray, y: np.ndarray, width: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    X, y = checked_rows(X, width), np.asarray(y)
    if len(X) != len(y):
        raise ValueError(f"{len(X)} rows have {len(y)} labels")
    return X, y
