"""Feature Partition Aggregation (Hammoudeh and Lowd, AAAI 2024): one classifier per set of columns.

A trigger of few features reaches few of the votes, in training and in the row to classify alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from dokunuki.defences.voting import VotingEnsemble
from dokunuki.errors import ConfigError
from dokunuki.parts.estimator import checked_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

ARRANGEMENTS = ("strided", "contiguous")


class FeaturePartitionAggregation(VotingEnsemble):
    """FPA: every member is trained on all rows and on its own share of the columns.

    `arrangement` is strided (member i has columns i, i + partitions, ...: every member has some of
    each feature group) or contiguous (neighbours together: features of one group share members).
    The paper leaves the partition open so long as it does not depend on the data.

    **Labels that an attacker flips are outside of the guarantee**, since each member is trained on
    all of them: under a label-flip attack the radius certifies nothing. Standardising is no way
    from one column to another, so the certificate holds for raw features too. Every member is
    trained on all rows: with a network, whose inner layers do not shrink with the columns, the cost
    grows with `partitions`.
    """

    certificate: ClassVar[str] = "features"

    def __init__(
        self,
        estimator: Any = None,  # noqa: ANN401
        partitions: int = 20,
        arrangement: str = "strided",
    ) -> None:
        super().__init__(estimator, partitions)
        self.arrangement = arrangement

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Train one classifier per set of columns of standardised rows, float32 (n, width).

        Raises ConfigError for more partitions than columns or an unknown arrangement.
        """
        if self.arrangement not in ARRANGEMENTS:
            raise ConfigError(
                f"arrangement: unknown {self.arrangement!r}; known: {', '.join(ARRANGEMENTS)}"
            )
        X, y = checked_rows(X), np.asarray(y)
        self._check_partitions(X.shape[1])
        self.n_features_in_ = X.shape[1]
        self._take_members(
            [self._fit_member(number, rows, y) for number, rows in enumerate(self._views(X))]
        )
        return self

    def certified_radius(self, X: np.ndarray) -> np.ndarray:
        """How many features may be altered without a change of class, int32 (n,).

        In any training rows and in the row itself, all by the same features; the paper's theorem
        for plurality voting. Holds while the labels in training are not altered.
        """
        return self._safe_members(X)

    def _views(self, X: np.ndarray) -> Iterator[np.ndarray]:
        columns = np.arange(self.n_features_in_)
        for number, block in enumerate(np.array_split(columns, self.partitions)):
            chosen = columns[number :: self.partitions] if self.arrangement == "strided" else block
            yield np.ascontiguousarray(X[:, chosen])
