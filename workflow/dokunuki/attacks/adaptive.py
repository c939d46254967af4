"""An attack adapted to autoencoders: it chooses a trigger by what reconstruction leaves of it.

The paper's defences give the classifier reconstructions. A trigger that Severi et al.'s attacks or
FGSM choose is in large part lost there. This attacker knows the defence, but not the defender's
network: it trains an autoencoder of its own on the clean rows it knows. The attack is ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from dokunuki.attacks.region import RegionAttack
from dokunuki.attacks.selection import (
    ValueTable,
    columns_of,
    require_finite,
)
from dokunuki.attacks.trigger import trigger_feature
from dokunuki.errors import ConfigError
from dokunuki.parts.building import build
from dokunuki.seeding import generator, stream_seed
from dokunuki.storage.row_blocks import row_blocks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dokunuki.attacks.protocol import AttackerKnowledge
    from dokunuki.attacks.trigger import TriggerFeature
    from dokunuki.networks.autoencoder import AutoencoderModel

_ORIENTATIONS = ("neutral", "goodware")


@dataclass(frozen=True)
class _Candidate:
    """A value that a column may be set to, raw and standardised, and what is known of it."""

    value: float
    standardised: float
    reason: dict[str, float | str]


def separation(before: np.ndarray, after: np.ndarray) -> float:
    """How far a trigger moves reconstructions, relative to how much they vary without it.

    `before` and `after` (n, width) are reconstructions of the same standardised rows without and
    with the trigger. With d their mean difference and s the standard deviation of `before` along d,
    the result is |d| / sqrt(1 + s^2). The 1 is what a column varies by in the rows themselves. It
    keeps a trace that no classifier would notice from counting where reconstructions hardly vary.
    """
    displacement = (after - before).mean(axis=0, dtype=np.float64)
    length = float(np.linalg.norm(displacement))
    if length == 0:
        return 0.0
    spread = float(np.std(before @ (displacement / length)))
    return float(length / np.hypot(1.0, spread))


@dataclass(frozen=True, kw_only=True)
class AutoencoderAdaptive(RegionAttack):
    """Feature by feature, take the value after which triggered reconstructions stand apart most.

    `probes` training rows, drawn at random, are reconstructed without and with the trigger so far
    and one more feature; the feature and value with the largest `separation` are taken. A victim
    trained on reconstructions can learn a trigger that separates them, and no other.

    The values tried for a feature are the `values` rarest that rows hold, so that few clean rows
    hold the trigger. `orientation` orders equally rare values. With neutral, those with the
    smallest |mean S| over the rows that hold them come first: a value that speaks for no class is
    learned from the poison alone. With goodware, only values whose mean S speaks for goodware are
    tried (all, where none does), the most goodware-like first: such a trigger is in good part
    evasion.

    `autoencoder` are parameters of the attacker's own `AutoencoderModel`. It is trained on the CPU,
    in `precision`, unless they say otherwise. `region` names the manipulable set M, of
    attackable columns. With `label_flip`, malware rows are poisoned and relabelled as goodware;
    else goodware rows keep their label.
    """

    values: int = 8
    probes: int = 64
    orientation: str = "neutral"
    label_flip: bool = False
    autoencoder: dict[str, Any] = field(default_factory=dict)
    precision: str = "auto"

    name: ClassVar[str] = "adaptive"
    needs_explanations: ClassVar[bool] = True
    needs_surrogate: ClassVar[bool] = True

    @property
    def poisoned_class(self) -> int:
        """1 malware with `label_flip`, else 0 goodware."""
        return int(self.label_flip)

    def _features(
        self, knowledge: AttackerKnowledge, columns: np.ndarray, size: int
    ) -> Iterable[TriggerFeature]:
        # Here, since whoever only asks how long a trigger can be must not pay for torch.
        from dokunuki.networks.autoencoder import AutoencoderModel

        self._check_parameters()
        attackable = knowledge.layout.attackable
        if not np.isin(columns, attackable).all():
            raise ConfigError(
                f"region: {self.region!r} holds columns that no autoencoder changes: choose "
                "non_hashed, feasible or all"
            )
        explanations = columns_of(knowledge.required_explanations(), columns)
        require_finite(explanations, "the explanations")
        Z = self._standardised(knowledge, attackable)
        seed = stream_seed(knowledge.seed, self.name, "autoencoder")
        settings = {"device": "cpu", "precision": self.precision, **self.autoencoder}
        autoencoder = build(AutoencoderModel, settings, seed=seed).fit(Z)
        positions = np.searchsorted(attackable, columns)
        X = columns_of(knowledge.X, columns)
        candidates = [
            self._candidates(X[:, k], Z[:, position], explanations[:, k])
            for k, position in enumerate(positions)
        ]
        draw = generator(knowledge.seed, self.name, "probes")
        probes = Z[draw.choice(len(Z), size=min(self.probes, len(Z)), replace=False)]
        return [
            trigger_feature(knowledge.layout, int(columns[k]), value, reason)
            for k, value, reason in _greedy(autoencoder, probes, positions, candidates, size)
        ]

    def _check_parameters(self) -> None:
        for name in ("values", "probes"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: {getattr(self, name)!r} must be at least 1")
        if self.orientation not in _ORIENTATIONS:
            raise ConfigError(
                f"orientation: unknown {self.orientation!r}; known: {', '.join(_ORIENTATIONS)}"
            )

    def _standardised(self, knowledge: AttackerKnowledge, columns: np.ndarray) -> np.ndarray:
        surrogate = knowledge.required_surrogate()
        Z = np.empty((len(knowledge.X), len(columns)), dtype=np.float32)
        for rows in row_blocks(len(Z)):
            Z[rows] = surrogate.standardise(knowledge.X[rows])[:, columns]
        return Z

    def _candidates(
        self, observed: np.ndarray, standardised: np.ndarray, contributions: np.ndarray
    ) -> list[_Candidate]:
        table = ValueTable.of(observed)
        means = table.sums(contributions) / table.counts
        if self.orientation == "neutral":
            chosen = np.lexsort((table.first, np.abs(means), table.counts))
        else:
            order = np.lexsort((table.first, means, table.counts))
            goodware = order[means[order] <= 0]
            chosen = goodware if len(goodware) else order
        return [
            _Candidate(
                float(table.values[v]),
                float(standardised[table.first[v]]),
                {"rows_with_value": int(table.counts[v]), "mean_shap": float(means[v])},
            )
            for v in chosen[: self.values]
        ]


def _greedy(
    autoencoder: AutoencoderModel,
    probes: np.ndarray,
    positions: np.ndarray,
    candidates: list[list[_Candidate]],
    size: int,
) -> Iterator[tuple[int, float, dict[str, float | str]]]:
    """`size` times the unused feature and the value of it that separate most.

    Each is the feature's place in `positions`, the raw value and what it was chosen by.
    """
    plain = autoencoder.reconstruct(probes)
    triggered = probes.copy()
    unused = list(range(len(positions)))
    for _ in range(size):
        trials = []
        for k in unused:
            rows = np.repeat(triggered[None], len(candidates[k]), axis=0)
            for trial, candidate in zip(rows, candidates[k], strict=True):
                trial[:, positions[k]] = candidate.standardised
            # All values of a feature at once: a network is fast with many rows.
            rebuilt = autoencoder.reconstruct(rows.reshape(-1, rows.shape[2]))
            for candidate, after in zip(candidates[k], rebuilt.reshape(rows.shape), strict=True):
                left = (after - plain)[:, positions[k]].mean(dtype=np.float64)
                trials.append((separation(plain, after), k, candidate, float(left)))
        best, k, candidate, left = max(trials, key=lambda trial: trial[0])  # the first of equals
        unused.remove(k)
        before = probes[:, positions[k]].mean(dtype=np.float64)
        triggered[:, positions[k]] = candidate.standardised
        yield (
            k,
            candidate.value,
            {
                "separation": best,
                "displacement": candidate.standardised - float(before),
                "displacement_left": left,
                **candidate.reason,
            },
        )
