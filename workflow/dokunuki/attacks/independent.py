"""Independent Selection: features by total SHAP magnitude, each with a value of its own.

Severi et al., USENIX Security 2021: LargeAbsSHAP features with MinPopulation or CountAbsSHAP
values. A clean-label attack: goodware rows are poisoned and keep their label.
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
    largest_first,
    require_finite,
)
from dokunuki.attacks.trigger import trigger_feature
from dokunuki.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dokunuki.attacks.protocol import AttackerKnowledge
    from dokunuki.attacks.trigger import TriggerFeature
    from dokunuki.corpus.layout import FeatureLayout

_VALUES = ("min_population", "count_abs_shap")


@dataclass(frozen=True, kw_only=True)
class IndependentSelection(RegionAttack):
    """Take the features with the largest sum of |S|, and for each the value that `values` asks for.

    `region` names the manipulable set M. `values` is `min_population`, the value that occurs least
    often in the column, or `count_abs_shap`, the value v with the smallest
    1/count(v) + sum of |S| over the rows that hold v.
    """

    values: str = "min_population"

    name: ClassVar[str] = "independent"
    label_flip: ClassVar[bool] = False
    poisoned_class: ClassVar[int] = 0
    needs_explanations: ClassVar[bool] = True
    needs_surrogate: ClassVar[bool] = False

    def _features(
        self, knowledge: AttackerKnowledge, columns: np.ndarray, size: int
    ) -> Iterable[TriggerFeature]:
        if self.values not in _VALUES:
            raise ConfigError(
                f"values: unknown rule {self.values!r} of independent selection; known: "
                f"{', '.join(_VALUES)}"
            )
        magnitudes = columns_of(knowledge.required_explanations(), columns)
        np.abs(magnitudes, out=magnitudes)
        totals = column_sums(magnitudes)
        # No sum of float32 overflows: it is finite where all that it adds is.
        require_finite(totals, "the explanations")
        X = columns_of(knowledge.X, columns)
        return [
            self._feature(
                knowledge.layout,
                int(columns[k]),
                X[:, k],
                magnitudes[:, k],
                float(totals[k]),
            )
            for k in largest_first(totals)[:size]
        ]

    def _feature(
        self,
        layout: FeatureLayout,
        column: int,
        observed: np.ndarray,
        magnitude: np.ndarray,
        total: float,
    ) -> TriggerFeature:
        table = ValueTable.of(observed)
        reason: dict[str, float | str] = {"sum_abs_shap": total}
        if self.values == "min_population":
            chosen = table.smallest(table.counts)
        else:
            scores = table.shap_scores(magnitude)
            chosen = table.smallest(scores)
            reason["value_score"] = float(scores[chosen])
        reason["rows_with_value"] = int(table.counts[chosen])
        return trigger_feature(layout, column, table.values[chosen], reason)
