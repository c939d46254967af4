"""Deep Partition Aggregation (Levine and Feizi, ICLR 2021): one classifier per partition of rows.

An attacker who alters few training rows alters few of the partitions, and so few of the votes.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from dokunuki.defences.voting import VotingEnsemble
from dokunuki.parts.estimator import checked_rows
from dokunuki.parts.standardising import Standardiser

if TYPE_CHECKING:
    from collections.abc import Iterator


class DeepPartitionAggregation(VotingEnsemble):
    """DPA: rows go to one of `partitions` classifiers by a digest of their values.

    The guarantee needs members that depend on nothing but their own rows. So it takes raw rows
    (`raw_rows`): a scaler of all rows would let each row reach all members. Every member has a
    scaler of its own. Its rows are sorted by digest, as in the paper, since the outcome of training
    may depend on their order. The label is not part of the digest. Partitions must be large enough
    for the classifier: LightGBM's leaves of 20 rows at least cannot split one of 20 rows.

    After `fit`, beside those of `VotingEnsemble`: `scalers_`, one for each member that is a
    classifier.
    """

    certificate: ClassVar[str] = "rows"
    raw_rows: ClassVar[bool] = True

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Train one classifier per partition, on raw rows float32 (n, width).

        Raises ConfigError for fewer than one or more than n partitions.
        """
        X, y = checked_rows(X), np.asarray(y)
        self._check_partitions(len(X))
        self.n_features_in_ = X.shape[1]
        digests = row_digests(X)
        # Equal rows may have two labels.
        order = np.lexsort((y, digests))
        part = digests[order] % np.uint64(self.partitions)
        members, scalers = [], []
        for number in range(self.partitions):
            rows = order[part == number]
            scaler = Standardiser()
            inputs = scaler.fit(X[rows]).transform(X[rows]) if len(rows) else X[rows]
            members.append(self._fit_member(number, inputs, y[rows]))
            if not isinstance(members[-1], int):
                scalers.append(scaler)
        self.scalers_ = scalers
        self._take_members(members)
        return self

    def certified_radius(self, X: np.ndarray) -> np.ndarray:
        """How many training rows may be altered without a change of class, int32 (n,).

        The paper's theorem 1 counts rows that are added or removed: each reaches one member.
        Altering the values of a row removes one and adds another, which may reach two members, so
        that this is half of the paper's number. Where the attacker only adds rows, only removes
        them, or only changes labels, the prediction withstands twice as many and one.
        """
        return self._safe_members(X) // np.int32(2)

    def _views(self, X: np.ndarray) -> Iterator[np.ndarray]:
        scalers = iter(self.scalers_)
        for member in self.members_:
            yield X if isinstance(member, int) else next(scalers).transform(X)

    def _fitted_parts(self) -> list[Any]:
        return [*super()._fitted_parts(), *self.scalers_]

    def _restore_parts(self, parts: list[Any], facts: dict[str, Any]) -> None:
        classifiers = len(parts) // 2
        self.scalers_ = parts[classifiers:]
        super()._restore_parts(parts[:classifiers], facts)


def row_digests(X: np.ndarray) -> np.ndarray:
    """64 bits of a digest of each row of float32 (n, width), uint64 (n,)."""
    rows = np.ascontiguousarray(X, dtype=np.float32)
    digests = [hashlib.blake2b(row.data, digest_size=8).digest() for row in rows]
    return np.frombuffer(b"".join(digests), dtype="<u8")
