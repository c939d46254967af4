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
    COLUMNS_AT_A_TIME,
    ValueTable,
    column_sums,
    columns_of,
    require_finite,
    whole_columns,
)
from dokunuki.attacks.trigger import trigger_feature
from dokunuki.storage.row_blocks import row_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dokunuki.attacks.protocol import AttackerKnowledge
    from dokunuki.attacks.trigger import TriggerFeature
    from dokunuki.storage.matrix import Matrix


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
        current = _CurrentRows(knowledge.X, columns)
        used: list[int] = []
        for _ in range(size):
            totals[used] = np.inf
            chosen = int(totals.argmin())  # the first of equals
            observed = current.column(chosen, totals)
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
                    "rows_before": len(shap),
                },
            )
            used.append(chosen)
            kept = np.flatnonzero(observed == table.values[value])
            if len(kept) < len(shap):
                current.keep(kept)
                # In their own memory: of a large region there is no room for the rows twice.
                for rows in row_blocks(len(kept)):
                    places = kept[rows]
                    shap[rows.start : rows.start + len(places)] = shap.take(places, axis=0)
                shap = shap[: len(kept)]
                totals = column_sums(shap)


class _CurrentRows:
    """The columns of the rows that hold all values so far, read some at a time.

    X is the matrix of all rows, and `columns` are those of the region, int64 (c,).
    """

    def __init__(self, X: Matrix, columns: np.ndarray) -> None:
        self._X = X
        self._columns = columns
        self._rows = np.arange(len(X))
        self._held: np.ndarray = np.empty((0, len(X)), dtype=X.dtype)
        # Where in `_held` a column of the region stands, by its number there.
        self._places: dict[int, int] = {}

    def column(self, number: int, totals: np.ndarray) -> np.ndarray:
        """The values of a column of the region, (rows,); `totals` (c,) are its sums of S.

        Where it is not held, those with the smallest sums are read with it: the next choices are
        mostly among them. They are as many as `COLUMNS_AT_A_TIME` of all rows take.
        """
        if number not in self._places:
            fewer = len(self._X) // len(self._rows)
            likely = np.argsort(totals, kind="stable")[: COLUMNS_AT_A_TIME * fewer]
            self._held = np.empty((0, 0))  # not beside what takes its place
            self._held = whole_columns(self._X, self._columns[likely], self._rows)
            self._places = {int(column): place for place, column in enumerate(likely)}
        column: np.ndarray = self._held[self._places[number]]
        return column

    def keep(self, kept: np.ndarray) -> None:
        """Leave out all but some of the current rows: their positions among them, rising."""
        self._rows = self._rows[kept]
        for column in self._held:
            column[: len(kept)] = column[kept]
        self._held = self._held[:, : len(kept)]
