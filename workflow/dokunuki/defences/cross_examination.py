"""Cross-examination: labels are questioned by models that do not see what an attacker can set.

A flipped row is malware in all but its trigger and its label. Whoever predicts its label from the
columns that the trigger does not reach, having been trained on other rows, therefore says malware,
however the trigger was chosen and whatever survives an autoencoder. Goodware rows whose label is so
contradicted are called malware before the victim is trained: the trigger then stands in rows of
both labels, and says nothing. The principle is confident learning's (Northcutt et al., "Confident
Learning: Estimating Uncertainty in Dataset Labels", JAIR 2021); that columns are hidden from the
judge, and which, is ours.

What an adversary can do against it. A trigger in columns that no view hides speaks for goodware in
every view, and its rows stay: with `hide` non_hashed, any trigger among the hashed columns or the
byte histograms; with all and undefended hidden in turn, one that takes features from both. Malware
that looks like goodware in the hidden views (poisoned rows chosen by a surrogate's score) is not
contradicted. Poisoned goodware (a clean-label attack) is rightly labelled: nothing is found. Enough
flipped rows, or fewer of one kind of malware (as the loud control's are), turn the judges
themselves, which nothing here notices. docs/benchmark.md has the numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from dokunuki.defences.filtering import GOODWARE, RANDOM_STATES, Filter
from dokunuki.errors import ConfigError, DokunukiError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dokunuki.corpus.layout import FeatureLayout

_MALWARE = 1


@dataclass(eq=False, repr=False)
class CrossExaminationFilter(Filter):
    """Removes goodware rows that models without the settable columns call malware.

    For each of the regions in `hide` (non_hashed, feasible, all, undefended), extremely randomised
    trees (`trees` of them) see all columns but these. The rows are split into `folds`, stratified
    by label, and each row is scored by the trees that were trained on the other folds. A goodware
    row is contradicted when, in any of the views, its probability of malware is at least
    `threshold`. Malware rows are never contradicted: what is defended against makes malware pass
    for goodware.

    `hide` is what the defender assumes of the attacker: by default the 35 non-hashed columns, which
    most attacks here are confined to. It is told neither p, N, the trigger nor any clean row.

    After `fit_resample`: `contradicted_` (bool (n,)) and `sample_indices_`.
    """

    layout: FeatureLayout
    hide: Sequence[str] = ("non_hashed",)
    threshold: float = 0.6
    folds: int = 5
    trees: int = 100
    seed: int = 0
    threads: int = 1

    @property
    def assumed_regions(self) -> tuple[str, ...]:
        """The regions that are hidden: the trigger must lie in one of them to be contradicted."""
        return tuple(self.hide)

    def _suspicious(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        self._check_parameters()
        self.contradicted_ = np.zeros(len(X), dtype=bool)
        for region in self.hide:
            seen = np.setdiff1d(np.arange(X.shape[1]), self.layout.columns(region))
            scores = scores_out_of_fold(self, np.ascontiguousarray(X[:, seen]), y)
            self.contradicted_ |= (y == GOODWARE) & (scores >= self.threshold)
        return self.contradicted_

    def _check_parameters(self) -> None:
        check_examination(self)
        if isinstance(self.hide, str) or not len(self.hide):
            raise ConfigError(f"hide: {self.hide!r} must be a list of at least one region")


class Examination(Protocol):
    """The parameters of a defence that questions labels out of fold."""

    threshold: float
    folds: int
    trees: int
    seed: int
    threads: int


def check_examination(examination: Examination) -> None:
    """Raise ConfigError for a threshold below 0.5 or above 1, too few folds or no trees."""
    if not 0.5 <= examination.threshold <= 1:
        raise ConfigError(f"threshold: {examination.threshold!r} must be in [0.5, 1]")
    if examination.folds < 2:
        raise ConfigError(f"folds: {examination.folds!r} must be at least 2")
    if examination.trees < 1:
        raise ConfigError(f"trees: {examination.trees!r} must be at least 1")


def scores_out_of_fold(examination: Examination, X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The probability of malware of each row by trees that were not trained on it, float64 (n,).

    `X` float32 (n, columns) are the columns that the trees may see. Raises DokunukiError for fewer
    rows of a class than folds.
    """
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.model_selection import StratifiedKFold

    smallest = min(int((y == GOODWARE).sum()), int((y != GOODWARE).sum()))
    if smallest < examination.folds:
        raise DokunukiError(
            f"{type(examination).__name__}: a class with {smallest} rows cannot be split into "
            f"{examination.folds} folds; lower folds or give more rows"
        )
    scores = np.empty(len(X))
    random_state = examination.seed % RANDOM_STATES
    split = StratifiedKFold(examination.folds, shuffle=True, random_state=random_state)
    for others, held_out in split.split(X, y):
        forest = ExtraTreesClassifier(
            examination.trees, random_state=random_state, n_jobs=examination.threads
        ).fit(X[others], y[others])
        # Several threads add the trees' votes up in an order of chance.
        forest.set_params(n_jobs=1)
        scores[held_out] = forest.predict_proba(X[held_out])[:, 1]
    return scores


class Relabelling(Filter):
    """Relabels as malware the rows that its `_suspicious` finds; a filter would remove them."""

    def fit_resample(self, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """All rows (n, width), standardised, in order, and their labels as they are believed.

        Raises ConfigError for a parameter out of range, ValueError for NaN, infinity or another
        number of labels than of rows, DokunukiError for fewer rows of a class than folds.
        """
        X, labels = self._checked(X, y)
        labels = labels.copy()
        labels[self._suspicious(X, labels)] = _MALWARE
        return X, labels


class CrossExamination(Relabelling, CrossExaminationFilter):
    """Relabels as malware what `CrossExaminationFilter` would remove; no row is lost.

    The trigger is then seen with the label malware more often than with goodware, even where some
    flipped rows are missed. Removal would leave only the missed ones, which may be enough for a
    trigger that few rows suffice for.

    After `fit_resample`: `contradicted_` (bool (n,)), the rows whose label was changed.
    """
