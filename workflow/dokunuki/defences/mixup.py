"""mixup (Zhang et al., ICLR 2018): the network is trained on mixtures of rows and of their labels.

A trigger stands out less where every row that carries it is mixed with one that does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from dokunuki.defences.classifier_training import ClassifierTraining
from dokunuki.errors import ConfigError
from dokunuki.seeding import generator

if TYPE_CHECKING:
    import numpy as np
    import torch


@dataclass(eq=False, repr=False)
class Mixup(ClassifierTraining):
    """Trains a copy of a network classifier on convex combinations of pairs of rows and labels.

    As in the paper's algorithm, each batch is mixed with itself in another order, by one share a
    batch, which is drawn from Beta(`alpha`, `alpha`). The paper's range for images is 0.1 to 0.4.
    `seed` decides shares and pairs.
    """

    estimator: Any = None
    alpha: float = 0.4
    seed: int = 0

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Train on standardised rows, float32 (n, width), and labels of two classes.

        Raises ConfigError for an `alpha` that is not positive or a classifier without network.
        """
        if not self.alpha > 0:
            raise ConfigError(f"alpha: {self.alpha!r} must be above 0")
        classifier = self._unfitted_network()
        self.classifier_ = classifier.fit(X, y, augment=BatchMixer(self.alpha, self.seed))
        return self


class BatchMixer:
    """Mixes each row of a batch, and its target, with those of another row of the batch."""

    def __init__(self, alpha: float, seed: int) -> None:
        self._alpha = alpha
        self._random = generator(seed, "mixup")

    def __call__(
        self, rows: torch.Tensor, targets: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The mixed rows (n, columns) and targets (n,), in memory of their own."""
        share = float(self._random.beta(self._alpha, self._alpha))
        partners = self._random.permutation(len(rows)).tolist()
        return rows[partners].lerp(rows, share), targets[partners].lerp(targets, share)
