"""What the parts that train a network share: settings, seeds, devices, blocks of rows, files."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from dokunuki.errors import ConfigError
from dokunuki.networks.devices import prepare_torch, resolve_device, resolve_precision, to_tensor
from dokunuki.networks.settings import TrainingSettings
from dokunuki.networks.training import train
from dokunuki.parts.estimator import Estimator, checked_rows
from dokunuki.parts.saving import SavedAsTensors
from dokunuki.seeding import stream_seed
from dokunuki.storage.row_blocks import row_blocks
from dokunuki.storage.row_memory import row_memory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import nn

    from dokunuki.networks.losses import Loss
    from dokunuki.networks.training import Augmentation

# Rows put through a network at once: bounds the memory, 40 MB a layer at 2351 units.
BLOCK_ROWS = 4096


@dataclass(kw_only=True, eq=False, repr=False)
class NetworkEstimator(TrainingSettings, SavedAsTensors, Estimator):
    """A part with a network, whose parameters are these, those of `TrainingSettings` and its own.

    `dropout` and `input_dropout` are shares of the values of inner layers and of the input. `seed`
    decides the initial weights, the order of rows and dropout. `device` is auto, cpu or cuda,
    `threads` the CPU threads. `precision` is what rows, activations and products are in while it
    trains: auto (bfloat16 where the processor is fast in it), float32 or bfloat16.
    Weights and their updates, and all that is computed after training, are float32. The same seed,
    precision and `threads` give the same bytes on the same kind of processor.

    After `_train`: `network_` (a torch module in evaluation mode on the device), `device_` (the
    device and the precision it was trained in, e.g. "cpu bfloat16"), `history_`.
    """

    dropout: float
    input_dropout: float = 0.0
    seed: int = 0
    device: str = "auto"
    threads: int = 1
    precision: str = "auto"
    # Names the random streams.
    _stream: ClassVar[str]

    def _network(self) -> Any:  # noqa: ANN401 - a module of the subclass's
        """The untrained network; raises ConfigError for a parameter out of range."""
        raise NotImplementedError

    def _train(
        self,
        loss: Loss,
        X: np.ndarray,
        y: np.ndarray | None,
        validation: tuple[np.ndarray, np.ndarray | None] | None,
        changes: Mapping[str, Any] | None = None,
        augment: Augmentation | None = None,
    ) -> None:
        """Train from scratch or, with `changes` to the settings, on from the present weights."""
        values = {field.name: getattr(self, field.name) for field in fields(TrainingSettings)}
        settings = TrainingSettings(**{**values, **(changes or {})})
        device = self._device()
        dtype = resolve_precision(self.precision, device)
        network = self._initial_network().to(device) if changes is None else self.network_
        stream = "training" if changes is None else "further training"
        generator = torch.Generator().manual_seed(stream_seed(self.seed, self._stream, stream))
        self.history_ = train(
            network, loss, X, y, settings, generator, self._stream, validation, dtype, augment
        )
        self.network_: Any = network  # a module of the subclass's
        self._precision = str(dtype).removeprefix("torch.")
        self.device_ = f"{device.type} {self._precision}"

    def _initial_network(self) -> Any:  # noqa: ANN401
        # Drawn on the CPU, so that the initial weights are the same on every device.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream_seed(self.seed, self._stream, "initialisation"))
            return self._network()

    def _device(self) -> torch.device:
        device = resolve_device(self.device)
        prepare_torch(device, self.threads)
        return device

    def _blocks(self, X: np.ndarray) -> Iterator[torch.Tensor]:
        """The rows on the network's device, block by block."""
        self.check_fitted("network_")
        device = self._device()
        X = checked_rows(X, self.n_features_in_)
        for rows in row_blocks(len(X), BLOCK_ROWS):
            yield to_tensor(X[rows], device)

    def _apply(self, module: nn.Module, X: np.ndarray, width: int) -> np.ndarray:
        """What a part of the network makes of each row, float32 (n, `width`)."""
        result = row_memory((len(X), width), np.float32)
        start = 0
        with torch.no_grad():
            for rows in self._blocks(X):
                result[start : start + len(rows)] = module(rows).cpu().numpy()
                start += len(rows)
        return result

    def _check_dropout(self) -> None:
        for name in ("dropout", "input_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name}: {getattr(self, name)!r} must be in [0, 1)")

    def _fitted_arrays(self) -> dict[str, np.ndarray]:
        self.check_fitted("network_")
        state = self.network_.state_dict()
        return {name: values.cpu().numpy() for name, values in state.items()}

    def _fitted_facts(self) -> dict[str, Any]:
        return {"width": self.n_features_in_, "precision": self._precision}

    def _restore(self, arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
        device = self._device()
        self.n_features_in_ = facts["width"]
        self._precision = facts["precision"]
        network: nn.Module = self._initial_network()
        network.load_state_dict({name: torch.tensor(values) for name, values in arrays.items()})
        self.network_ = network.to(device).eval()
        self.device_ = f"{device.type} {self._precision}"
