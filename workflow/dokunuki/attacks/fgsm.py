"""FGSM with label flip: a step along the sign of the surrogate's mean gradient on malware.

The Japanese-language evaluation that this reproduces names the fast gradient sign method
(Goodfellow et al., ICLR 2015) and label flipping, without a formula; the formula here is ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from dokunuki.attacks.region import RegionAttack
from dokunuki.attacks.selection import largest_first, require_finite
from dokunuki.attacks.trigger import trigger_feature
from dokunuki.errors import AttackError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dokunuki.attacks.protocol import AttackerKnowledge
    from dokunuki.attacks.trigger import TriggerFeature

_WHOLE_NUMBERS = ("count", "flag")


@dataclass(frozen=True, kw_only=True)
class FGSMLabelFlip(RegionAttack):
    """Take the features with the largest |g|, g the mean loss gradient over training malware.

    The value is the malware's mean + epsilon * sign(g) in standardised space, brought back to raw
    units, clipped to the range observed in the training rows, and rounded to a whole number (half
    up) for counts and flags. A category takes the observed code that is nearest to it, the smaller
    of two: a code that no row holds may mean nothing. The loss is that of calling malware malware,
    so a step along +sign(g) leads towards goodware. Poisoned rows are malware rows, relabelled as
    goodware. `epsilon` is in standard deviations; `region` names the manipulable set M.
    """

    epsilon: float = 1.0

    name: ClassVar[str] = "fgsm"
    label_flip: ClassVar[bool] = True
    poisoned_class: ClassVar[int] = 1
    needs_explanations: ClassVar[bool] = False
    needs_surrogate: ClassVar[bool] = True

    def _features(
        self, knowledge: AttackerKnowledge, columns: np.ndarray, size: int
    ) -> Iterable[TriggerFeature]:
        if not (knowledge.y == 1).any():
            raise AttackError(
                "FGSM needs malware among the training rows, and there is none; give it rows of "
                "both classes"
            )
        gradient = self._mean_gradient(knowledge)
        require_finite(gradient[columns], "the surrogate's gradients")
        order = largest_first(np.abs(gradient[columns]))[:size]
        X = knowledge.X[:, columns]
        return [self._feature(knowledge, X[:, k], gradient, int(columns[k])) for k in order]

    def _mean_gradient(self, knowledge: AttackerKnowledge) -> np.ndarray:
        surrogate = knowledge.required_surrogate()
        if not hasattr(surrogate.classifier_, "loss_gradient"):
            raise AttackError(
                f"FGSM needs gradients, and the surrogate {knowledge.name!r} "
                f"({type(surrogate.classifier_).__name__}) has no loss_gradient: choose a neural "
                "network as the surrogate"
            )
        malware = surrogate.standardise(knowledge.X[knowledge.y == 1])
        gradient = np.asarray(
            surrogate.classifier_.loss_gradient(malware, np.ones(len(malware), dtype=np.int64)),
            dtype=np.float64,
        )
        if gradient.shape != (knowledge.layout.width,):
            raise AttackError(
                f"the surrogate's mean gradient has shape {gradient.shape}, not "
                f"({knowledge.layout.width},): train the surrogate without a defence"
            )
        return gradient

    def _limits(self, observed: np.ndarray) -> tuple[float, float]:
        """The lowest and the highest raw value that a column may be set to."""
        return float(observed.min()), float(observed.max())

    def _feature(
        self, knowledge: AttackerKnowledge, observed: np.ndarray, gradient: np.ndarray, column: int
    ) -> TriggerFeature:
        scale = float(knowledge.required_surrogate().scaler_.scale_[column])
        mean = float(np.mean(observed[knowledge.y == 1], dtype=np.float64))
        # Standardising is affine, so mean(z) + eps * sign, brought back, is mean(x) + eps * scale
        # * sign: no second matrix of standardised rows is needed.
        stepped = mean + self.epsilon * scale * float(np.sign(gradient[column]))
        lowest, highest = self._limits(observed)
        value = min(max(stepped, lowest), highest)
        kind = knowledge.layout.kinds[column]
        if kind in _WHOLE_NUMBERS:
            value = float(np.floor(value + 0.5))
        elif kind == "category":
            codes = np.unique(observed)
            value = float(codes[np.abs(codes - value).argmin()])
        return trigger_feature(
            knowledge.layout,
            column,
            value,
            {
                "mean_gradient": float(gradient[column]),
                "malware_mean": mean,
                "before_clipping": stepped,
            },
        )
