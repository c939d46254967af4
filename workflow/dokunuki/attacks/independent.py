"""Independent Selection: features by total SHAP magnitude, each with a value of its own.

Severi et al., USENIX Security 2021: LargeAbsSHAP features with MinPopulation or CountAbsSHAP
values. A clean-label attack: goodware rows are poisoned and keep their label.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from dokunuki.attacks.region import RegionAttack
from dokunuki.attacks.selection import (
    ValueTable,
    column_totals,
    each_column,
    largest_first,
    require_finite,
)
from dokunuki.attacks.trigger import trigger_feature
from dokunuki.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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
    ) -> Iterator[TriggerFeature]:
        if self.values not in _VALUES:
            raise ConfigError(
                f"values: unknown rule {self.values!r} of independent selection; known: "
                f"{', '.join(_VALUES)}"
            )
        explanations = knowledge.required_explanations()
        totals = column_totals(explanations, columns, absolute=True)
        # No sum of float32 overflows: it is finite where all that it adds is.
        require_finite(totals, "the explanations")
        order = largest_first(totals)[:size]
        chosen = columns[order]
        # MinPopulation needs no more than the sums: of its columns S is not read again.
        by_count = self.values == "min_population"
        magnitudes: Iterable[np.ndarray | None] = (
            repeat(None, size) if by_count else map(np.abs, each_column(explanations, chosen))
        )
        for k, observed, magnitude in zip(
            order, each_column(knowledge.X, chosen), magnitudes, strict=True
        ):
            yield self._feature(
                knowledge.layout, int(columns[k]), observed, magnitude, float(totals[k])
            )

    def _feature(
        self,
        layout: FeatureLayout,
        column: int,
        observed: np.ndarray,
        magnitude: np.ndarray | None,
        total: float,
    ) -> TriggerFeature:
        table = ValueTable.of(observed)
        reason: dict[str, float | str] = {"sum_abs_shap": total}
        if magnitude is None:
            chosen = table.smallest(table.counts)
        else:
            scores = table.shap_scores(magnitude)
            chosen = table.smallest(scores)
            reason["value_score"] = float(scores[chosen])
        reason["rows_with_value"] = int(table.counts[chosen])
        return trigger_feature(layout, column, table.values[chosen], reason)
