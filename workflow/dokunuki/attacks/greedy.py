"""Greedy Combined Selection: feature by feature, among the rows that hold all values so far.

Severi et al., USENIX Security 2021. A clean-label attack: goodware rows are poisoned and keep
their label. The chosen values occur together in real rows, all of them oriented to goodware.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from dokunuki.attacks.region import RegionAttack
from dokunuki.attacks.selection import (
    ValueTable,
    column_sums,
    columns_of,
    require_finite,
)
from dokunuki.attacks.trigger import trigger_feature

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dokunuki.attacks.protocol import AttackerKnowledge
    from dokunuki.attacks.trigger import TriggerFeature


@dataclass(frozen=True, kw_only=True)
class GreedyCombinedSelection(RegionAttack):
    """Take the unused feature with the smallest sum of S over the current rows, again and again.

    Its value is the v with the smallest 1/count(v) + sum of S over the current rows that hold v;
    only these rows stay current. Counts are taken over the current rows too. `region` names the
    manipulable set M.
    """

    name: ClassVar[str] = "greedy"
    label_flip: ClassVar[bool] = False
    poisoned_class: ClassVar[int] = 0
    needs_explanations: ClassVar[bool] = True
    needs_surrogate: ClassVar[bool] = False

    def _features(
        self, knowledge: AttackerKnowledge, columns: np.ndarray, size: int
    ) -> Iterator[TriggerFeature]:
        shap = columns_of(knowledge.required_explanations(), columns)
        totals = column_sums(shap)
        # No sum of float32 overflows: it is finite where all that it adds is.
        require_finite(totals, "the explanations")
        X = columns_of(knowledge.X, columns)
        used: list[int] = []
        for _ in range(size):
            totals[used] = np.inf
            chosen = int(totals.argmin())  # the first of equals
            observed = X[:, chosen]
            table = ValueTable.of(observed)
            scores = table.shap_scores(shap[:, chosen])
            value = table.smallest(scores)
            yield trigger_feature(
                knowledge.layout,
                int(columns[chosen]),
                table.values[value],
                {
                    "sum_shap": float(totals[chosen]),
                    "value_score": float(scores[value]),
                    "rows_with_value": int(table.counts[value]),
                    "rows_before": len(X),
                },
            )
            used.append(chosen)
            kept = np.flatnonzero(observed == table.values[value])
            if len(kept) < len(X):
                X, shap = X.take(kept, axis=0), shap.take(kept, axis=0)
                totals = column_sums(shap)
