"""The sparse variation-ratio trigger, planted into goodware with small p-values.

Tian et al., "Sparsity Brings Vulnerabilities: Exploring New Metrics in Backdoor Attacks", USENIX
Security 2023. A clean-label attack: goodware rows keep their label.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from dokunuki.attacks.region import RegionAttack
from dokunuki.attacks.selection import ValueTable, columns_of, largest_first
from dokunuki.attacks.trigger import trigger_feature
from dokunuki.errors import AttackError, ConfigError
from dokunuki.seeding import stream_seed
from dokunuki.storage.row_blocks import row_blocks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dokunuki.attacks.protocol import AttackerKnowledge
    from dokunuki.attacks.trigger import TriggerFeature
    from dokunuki.storage.matrix import Matrix

_MALWARE = 1


@dataclass(frozen=True, kw_only=True)
class VariationRatio(RegionAttack):
    """Take the features with the smallest variation ratio, each with a value in its emptiest part.

    The range of a feature is cut into `slices` parts of equal width. A feature with no more values
    than that is cut into its values, and so is a category, whose codes have no order. Its variation
    ratio is 1 - (rows in the fullest part) / (all rows): near 0 where nearly all rows are alike and
    the rest of the space is empty. Constant features come last. The value is the rarest one in the
    part that has the fewest rows, empty parts apart. `region` names the manipulable set M.

    Rows to poison come by rising p-value: the share of goodware whose nonconformity is as large or
    larger. Nonconformity of a goodware row is its malware score by a copy of the surrogate's
    classifier that was trained on the other `folds` - 1 parts of the rows. Goodware that looks like
    malware has little of its own that speaks for its label, so that the trigger is learned instead.

    Ratio, slices, value and p-value are as in the code that the paper's authors published (5 slices
    of equal width, 20 folds). Six things are ours. Rows are taken in the order of their p-values,
    where that code draws at random below a bound: so a smaller poison rate is a part of a larger
    one. A row's fold comes from its content and the seed. There are 5 folds, to save time. Rows are
    standardised by the surrogate's scaler, which has seen all folds. Ties go to the feature that
    stands first in the layout, and to the value that is met first. A category's parts are its
    values.
    """

    slices: int = 5
    folds: int = 5

    name: ClassVar[str] = "variation-ratio"
    label_flip: ClassVar[bool] = False
    poisoned_class: ClassVar[int] = 0
    needs_explanations: ClassVar[bool] = False
    needs_surrogate: ClassVar[bool] = True

    def _features(
        self, knowledge: AttackerKnowledge, columns: np.ndarray, size: int
    ) -> Iterable[TriggerFeature]:
        if self.slices < 2:
            raise ConfigError(f"slices: {self.slices!r} must be at least 2")
        X = columns_of(knowledge.X, columns)
        kinds = [knowledge.layout.kinds[column] for column in columns]
        choices = [self._choice(X[:, k], kind == "category") for k, kind in enumerate(kinds)]
        ratios = np.array([reason["variation_ratio"] for _, reason in choices])
        return [
            trigger_feature(knowledge.layout, int(columns[k]), *choices[k])
            for k in largest_first(-ratios)[:size]
        ]

    def poison_order(self, knowledge: AttackerKnowledge, candidates: Matrix) -> np.ndarray:
        """Raw goodware rows `candidates`, float32 (c, width), by rising p-value: positions (c,).

        Raises AttackError when there is no surrogate, or one that cannot be trained again, or too
        few rows for the folds; ConfigError for fewer than two folds. Returns int64.
        """
        surrogate = knowledge.required_surrogate()
        models = self._models(knowledge)
        # At once: the rows are shuffled, and each block of them would read the whole file.
        rows = candidates[:]
        folds = self._folds(rows, knowledge.seed)
        scores = np.empty(len(rows))
        for fold, model in enumerate(models):
            held_out = folds == fold
            if held_out.any():
                standardised = surrogate.standardise(rows[held_out])
                malware = int(np.flatnonzero(np.asarray(model.classes_) == _MALWARE)[0])
                scores[held_out] = np.asarray(model.predict_proba(standardised))[:, malware]
        # The p-value is the score's rank among goodware, the largest first.
        return largest_first(scores)

    def _choice(self, observed: np.ndarray, category: bool) -> tuple[float, dict[str, float | str]]:
        """The value of a column, and its variation ratio."""
        table = ValueTable.of(observed)
        if len(table.values) == 1:
            return float(table.values[0]), {
                "variation_ratio": 1.0,
                "rows_with_value": len(observed),
            }
        if category or len(table.values) <= self.slices:
            parts = np.arange(len(table.values))
        else:
            values = table.values.astype(np.float64)
            bounds = np.linspace(values.min(), values.max(), self.slices + 1)
            parts = np.searchsorted(bounds[1:-1], values, side="right")
        rows_in_part = np.zeros(parts.max() + 1, dtype=np.int64)
        np.add.at(rows_in_part, parts, table.counts)
        shared = rows_in_part[parts]
        # Only values of the emptiest part stay in the running.
        chosen = table.smallest(np.where(shared == shared.min(), table.counts, len(observed)))
        return float(table.values[chosen]), {
            "variation_ratio": 1.0 - float(rows_in_part.max()) / len(observed),
            "rows_with_value": int(table.counts[chosen]),
            "rows_in_part": int(shared[chosen]),
        }

    def _folds(self, rows: np.ndarray, seed: int) -> np.ndarray:
        """The fold of each raw row (n,), by its content: the same wherever the row stands."""
        salt = stream_seed(seed, self.name, "folds") % 2**32
        return np.array([zlib.crc32(row.tobytes(), salt) % self.folds for row in rows])

    def _models(self, knowledge: AttackerKnowledge) -> list[Any]:
        """For each fold a classifier trained on the standardised rows of the others."""
        surrogate = knowledge.required_surrogate()
        if not hasattr(surrogate.classifier_, "unfitted"):
            raise AttackError(
                f"p-values need a surrogate that can be trained again, and {knowledge.name!r} "
                f"({type(surrogate.classifier_).__name__}) cannot: choose a neural network"
            )
        if self.folds < 2:
            raise ConfigError(f"folds: {self.folds!r} must be at least 2")
        Z = np.empty(knowledge.X.shape, dtype=np.float32)
        folds = np.empty(len(Z), dtype=np.int64)
        for block in row_blocks(len(Z)):
            rows = knowledge.X[block]
            folds[block] = self._folds(rows, knowledge.seed)
            Z[block] = surrogate.standardise(rows)
        models = []
        for fold in range(self.folds):
            others = folds != fold
            y = knowledge.y[others]
            if len(np.unique(y)) < 2:
                raise AttackError(
                    f"VariationRatio: {len(Z)} rows in {self.folds} folds are too few: without one "
                    "of the folds, the rows are all of one class; give the attacker more rows"
                )
            models.append(surrogate.classifier_.unfitted().fit(Z[others], y))
        return models
