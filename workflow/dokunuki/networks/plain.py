"""Training steps by autograd and torch's own optimisers, for any network.

They train what the engine has no layers for, and are what its steps are held against.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import nn

    from dokunuki.networks.losses import Loss
    from dokunuki.networks.settings import TrainingSettings


class PlainSteps:
    """Trains `network` in place; what is random in it is drawn from torch's global generators.

    In bfloat16 torch's autocast chooses what is computed in it, products first of all. The loss is
    taken in float32.
    """

    def __init__(
        self, network: nn.Module, loss: Loss, settings: TrainingSettings, dtype: torch.dtype
    ) -> None:
        self._network = network
        self._loss = loss
        self._dtype = dtype
        parameters = [held for held in network.parameters() if held.requires_grad]
        rate, decay = settings.learning_rate, settings.weight_decay
        self._optimiser: torch.optim.Optimizer
        if settings.optimiser == "sgd":
            self._optimiser = torch.optim.SGD(
                parameters, rate, momentum=settings.momentum, weight_decay=decay, fused=True
            )
        else:
            self._optimiser = torch.optim.Adam(parameters, rate, weight_decay=decay, fused=True)

    def step(
        self, inputs: torch.Tensor, targets: torch.Tensor, learning_rate: float
    ) -> torch.Tensor:
        """Train on a batch, float32 (n, columns); its mean loss, a scalar on the device."""
        if not self._network.training:
            self._network.train()
        # A first module that works in place must not change what is to be rebuilt.
        rows = inputs.clone() if inputs is targets else inputs
        narrow = self._dtype != torch.float32
        with torch.enable_grad():
            with torch.autocast(inputs.device.type, self._dtype, enabled=narrow):
                outputs = self._network(rows)
            loss = self._loss.mean(outputs.float(), targets)
            self._optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.param_groups[0]["lr"] = learning_rate
        self._optimiser.step()
        return loss.detach()

    def store(self, *, last: bool) -> None:
        """Leave the network, which has all weights already, in evaluation mode."""
        self._network.eval()
