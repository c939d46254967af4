"""EmberNN: the dense network that the paper attacks and defends, as a scikit-learn classifier.

The paper has three hidden layers, each as wide as the input; Severi et al. (USENIX Security 2021)
have hidden layers of 4000, 2000 and 100 units. In both, every hidden layer is ReLU, then batch
normalisation, then dropout, and the last layer is one sigmoid unit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import nn

from dokunuki.devices import prepare_torch, resolve_device, to_tensor
from dokunuki.errors import ConfigError, DokunukiError
from dokunuki.estimator import Classifier, checked_rows
from dokunuki.persistence import SavedAsTensors
from dokunuki.seeding import stream_seed
from dokunuki.training import TrainingSettings, train

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_PAPER_HIDDEN_LAYERS = 3
# Rows scored at once: bounds the memory, 40 MB a layer at 2351 units.
_BLOCK_ROWS = 4096


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


class EmberNN(SavedAsTensors, Classifier):
    """A dense network for standardised rows, float32 (n, width), and two classes.

    `hidden` is "paper" (three layers as wide as the input) or the units of each hidden layer.
    `dropout` follows every hidden layer, `input_dropout` the input. The other training
    parameters are those of `TrainingSettings`. `seed` decides the initial weights, the order of
    rows and dropout; the same seed and `threads` give the same bytes on the same kind of device.

    After `fit`: `network_` (torch module, logits (n, 1), in evaluation mode, on the device),
    `device_` (cpu or cuda), `classes_`, `n_features_in_`, `history_` (loss per epoch: binary
    cross-entropy).
    """

    def __init__(
        self,
        hidden: str | Sequence[int] = "paper",
        dropout: float = 0.5,
        input_dropout: float = 0.0,
        optimiser: str = "adam",
        learning_rate: float = 1e-3,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        batch_size: int = 512,
        epochs: int = 10,
        schedule: str = "constant",
        seed: int = 0,
        device: str = "auto",
        threads: int = 1,
    ) -> None:
        self.hidden = hidden
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.optimiser = optimiser
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.epochs = epochs
        self.schedule = schedule
        self.seed = seed
        self.device = device
        self.threads = threads

    def fit(
        self,
        X: np.ndarray,
        y: np.ndarray,
        validation: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> Self:
        """Train from scratch; `validation` rows are only watched, in `history_`.

        Raises ConfigError for a parameter out of range, DeviceError for an absent device,
        TrainingDivergedError when the loss does not stay finite.
        """
        settings = self._settings()
        device = self._device()
        X, y = checked_rows(X), np.asarray(y)
        if len(X) != len(y):
            raise ValueError(f"{len(X)} rows have {len(y)} labels")
        self.n_features_in_ = X.shape[1]
        self.classes_ = np.unique(y)
        if len(self.classes_) != 2:
            raise DokunukiError(
                f"EmberNN: the training rows hold {len(self.classes_)} classes; it needs two"
            )
        network = self._initial_network().to(device)
        generator = torch.Generator().manual_seed(stream_seed(self.seed, "EmberNN", "training"))
        held_out = None
        if validation is not None:
            held_out = (np.asarray(validation[0]), self._targets(validation[1]))
        self.history_ = train(
            network,
            _cross_entropy,
            X,
            self._targets(y),
            settings,
            generator,
            "EmberNN",
            held_out,
        )
        self.network_ = network
        self.device_ = device.type
        return self

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        """Logits of the second class, float32 (n,)."""
        with torch.no_grad():
            blocks = [self.network_(rows).squeeze(1).cpu().numpy() for rows in self._blocks(X)]
        return np.concatenate(blocks) if blocks else np.empty(0, dtype=np.float32)

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities of both classes, float32 (n, 2)."""
        second = torch.sigmoid(torch.from_numpy(self.decision_function(X))).numpy()
        return np.column_stack([1 - second, second])

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The second class (malware) where its probability is at least 0.5, else the first."""
        second = self.predict_proba(X)[:, 1] >= 0.5
        return np.asarray(self.classes_[second.astype(int)])

    def loss_gradient(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Mean gradient of the binary cross-entropy by the inputs over the rows, float64 (width,).

        Taken in evaluation mode, so that rows do not influence each other through batch
        normalisation; it is the gradient that FGSM takes the sign of.
        """
        targets = self._targets(y)
        if not len(targets):
            raise DokunukiError("EmberNN: the mean gradient of no rows was asked for")
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

    def _settings(self) -> TrainingSettings:
        return TrainingSettings(
            optimiser=self.optimiser,
            learning_rate=self.learning_rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            batch_size=self.batch_size,
            epochs=self.epochs,
            schedule=self.schedule,
        )

    def _device(self) -> torch.device:
        device = resolve_device(self.device)
        prepare_torch(device, self.threads)
        return device

    def _initial_network(self) -> nn.Sequential:
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
        for name in ("dropout", "input_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name}: {getattr(self, name)!r} must be in [0, 1)")
        # Drawn on the CPU, so that the initial weights are the same on every device.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream_seed(self.seed, "EmberNN", "initialisation"))
            return dense_network(self.n_features_in_, hidden, self.dropout, self.input_dropout)

    def _targets(self, y: np.ndarray) -> np.ndarray:
        return np.asarray(np.asarray(y) == self.classes_[1], dtype=np.float32)

    def _blocks(self, X: np.ndarray) -> Iterator[torch.Tensor]:
        """The rows on the network's device, block by block."""
        self.check_fitted("network_")
        device = self._device()
        X = checked_rows(X, self.n_features_in_)
        for start in range(0, len(X), _BLOCK_ROWS):
            yield to_tensor(X[start : start + _BLOCK_ROWS], device)

    def _fitted_arrays(self) -> dict[str, np.ndarray]:
        self.check_fitted("network_")
        state = self.network_.state_dict()
        return {name: values.cpu().numpy() for name, values in state.items()}

    def _fitted_facts(self) -> dict[str, Any]:
        return {"width": self.n_features_in_, "classes": self.classes_.tolist()}

    def _restore(self, arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
        device = self._device()
        self.n_features_in_ = facts["width"]
        self.classes_ = np.array(facts["classes"])
        network = self._initial_network()
        network.load_state_dict({name: torch.tensor(values) for name, values in arrays.items()})
        self.network_ = network.to(device).eval()
        self.device_ = device.type


def _cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return nn.functional.binary_cross_entropy_with_logits(logits.squeeze(1), targets)
