"""Ensembles that vote: what the certified defences share.

Each member sees one partition of the training set, so that an attacker who reaches few partitions
reaches few votes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dokunuki.errors import ConfigError
from dokunuki.networks.settings import TrainingDivergedError
from dokunuki.parts.estimator import Classifier, checked_rows
from dokunuki.parts.saving import SavedWithParts
from dokunuki.progress import logger
from dokunuki.seeding import stream_seed

if TYPE_CHECKING:
    from collections.abc import Iterator

_MALWARE = 1
# LightGBM takes no larger seeds.
_SEEDS = 2**31
# A tie is goodware's, the smaller class's; detectors say malware from one half on.
_TIE = np.nextafter(np.float32(0.5), np.float32(0))


@dataclass(eq=False, repr=False)
class VotingEnsemble(SavedWithParts, Classifier):
    """Classifiers trained on the `partitions` parts of a partition, each with one vote.

    The score is the share of votes for malware; a tie is goodware's, and its score is the largest
    float32 below one half, so that the label at threshold 0.5 is the one that is certified. No
    other threshold has a certificate. The member of a part with one class always votes for it; an
    empty part, and one whose training diverges, votes for goodware. Members are copies of
    `estimator` with seeds of their own.

    After `fit`: `members_` (a fitted classifier, or 0 or 1 for one that always says the same),
    `classes_` (0, 1), `n_features_in_`, `device_`.
    """

    estimator: Any = None
    partitions: int = 50

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """The share of votes for goodware and for malware, float32 (n, 2)."""
        votes = self.malware_votes(X)
        share = (votes / self.partitions).astype(np.float32)
        share[2 * votes == self.partitions] = _TIE
        return np.column_stack([1 - share, share])

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The class with most votes, the smaller one in a tie, int64 (n,)."""
        return (2 * self.malware_votes(X) > self.partitions).astype(np.int64)

    def malware_votes(self, X: np.ndarray) -> np.ndarray:
        """How many members call each row malware, int64 (n,)."""
        self.check_fitted("members_")
        X = checked_rows(X, self.n_features_in_)
        votes = np.zeros(len(X), dtype=np.int64)
        for member, rows in zip(self.members_, self._views(X), strict=True):
            if isinstance(member, int):
                votes += member
                continue
            column = int(np.flatnonzero(np.asarray(member.classes_) == _MALWARE)[0])
            votes += member.predict_proba(rows)[:, column] >= 0.5
        return votes

    def _safe_members(self, X: np.ndarray) -> np.ndarray:
        """How many members may change their vote, at most, without a change of class, int32 (n,).

        floor((votes of the winner - votes of the other - [the other is smaller]) / 2).
        """
        malware = self.malware_votes(X)
        goodware = self.partitions - malware
        lead = np.where(malware > goodware, malware - goodware - 1, goodware - malware)
        return np.asarray(lead // 2, dtype=np.int32)

    def _views(self, X: np.ndarray) -> Iterator[np.ndarray]:
        """What each member is given of rows to classify."""
        raise NotImplementedError

    def _check_partitions(self, most: int) -> None:
        if not 1 <= self.partitions <= most:
            raise ConfigError(
                f"{type(self).__name__}: partitions: {self.partitions!r} must be in [1, {most}]"
            )

    def _fit_member(self, number: int, X: np.ndarray, y: np.ndarray) -> Any:  # noqa: ANN401
        found = np.unique(y)
        if len(found) < 2:
            return int(found[0]) if len(found) else 0
        try:
            return reseeded_copy(self.estimator, "member", number).fit(X, y)
        except TrainingDivergedError as error:
            # One part must not decide about the others: it costs its own vote only.
            logger.warning("member %d was not trained and votes for goodware: %s", number, error)
            return 0

    def _take_members(self, members: list[Any]) -> None:
        self.members_ = members
        self.classes_ = np.array([0, 1])
        devices = [member.device_ for member in members if hasattr(member, "device_")]
        self.device_ = devices[0] if devices else "cpu"

    def _fitted_parts(self) -> list[Any]:
        self.check_fitted("members_")
        return [member for member in self.members_ if not isinstance(member, int)]

    def _fitted_facts(self) -> dict[str, Any]:
        constant = [member if isinstance(member, int) else None for member in self.members_]
        return {"width": self.n_features_in_, "constant_votes": constant}

    def _restore_parts(self, parts: list[Any], facts: dict[str, Any]) -> None:
        self.n_features_in_ = facts["width"]
        fitted = iter(parts)
        self._take_members(
            [next(fitted) if vote is None else vote for vote in facts["constant_votes"]]
        )


def reseeded_copy(estimator: Any, *stream: str | int) -> Any:  # noqa: ANN401 - any classifier
    """An unfitted copy of a classifier whose seed is of the stream called `stream`."""
    if hasattr(estimator, "unfitted"):
        copy = estimator.unfitted()
    else:
        from sklearn.base import clone

        copy = clone(estimator)
    parameters = copy.get_params(deep=False)
    seeds = {
        name: stream_seed(parameters[name], *stream) % _SEEDS
        for name in ("seed", "random_state")
        if isinstance(parameters.get(name), int)
    }
    return copy.set_params(**seeds)
