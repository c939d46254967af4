"""Iterative trimmed loss minimisation (Shen and Sanghavi, ICML 2019): train on what fits.

Rows whose label contradicts what the others say have the largest losses, so long as the classifier
has not learned them by heart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dokunuki.defences.filtering import GOODWARE, Filter, goodware_losses
from dokunuki.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(eq=False, repr=False)
class TrimmedLoss(Filter):
    """Removes the goodware rows with the largest losses, `removed` percent of all rows.

    A classifier like the victim's is trained on all rows; then, `rounds` times, the rows to remove
    are chosen by its losses and, but for the last time, another is trained on the rest. `removed`
    is the poison rate that is **assumed**. The paper removes rows of every class, and for many
    rounds; that goodware alone is removed is ours, since what is defended against makes malware
    pass for goodware.

    After `fit_resample`, beside `sample_indices_`: `losses_`, the goodware rows' last ones (g,).
    """

    classifier: Callable[[], Any] | None = None
    removed: float = 5.0
    rounds: int = 2
    seed: int = 0
    threads: int = 1

    def _suspicious(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        if self.classifier is None:
            raise ConfigError(
                "TrimmedLoss needs `classifier`, a function that gives a new unfitted classifier"
            )
        if not 0 < self.removed < 100:
            raise ConfigError(f"removed: {self.removed!r} must be in (0, 100) percent")
        if self.rounds < 1:
            raise ConfigError(f"rounds: {self.rounds!r} must be at least 1")
        goodware = np.flatnonzero(y == GOODWARE)
        count = min(round(self.removed / 100 * len(y)), len(goodware) - 1)
        suspicious = np.zeros(len(X), dtype=bool)
        for _ in range(self.rounds):
            model = self.classifier().fit(X[~suspicious], y[~suspicious])
            self.losses_ = goodware_losses(model, X[goodware])
            largest = np.argsort(-self.losses_, kind="stable")[:count]
            suspicious[:] = False
            suspicious[goodware[largest]] = True
        return suspicious
