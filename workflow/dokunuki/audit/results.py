"""What the stages of an audit hand on: plain records of arrays and numbers.

Rows are told by their positions in the feed, 0-based; columns by their indices in the layout.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from dokunuki.detector import Detector

Verdict = Literal["proved", "suspicious", "nothing proved", "cannot tell"]
Outcome = Literal["proved", "evasion", "suspicious", "refuted"]
CanaryOutcome = Literal["proved", "suspicious", "missed"]

LEAST_DELTA = 0.4
"""An attack works when so much more malware passes with the poison than without."""


@dataclass(frozen=True)
class FeedChecks:
    """What is wrong or odd with a feed before anything is fitted.

    `goodware` and `malware` count the rows of each label. `copies` int64 (c,) are rows that hold
    the same vector as an earlier row, with the same label. `conflicts` int64 (d,) are rows whose
    vector stands in the feed with the other label too. `zero_rows` int64 hold nothing but zeros,
    and `constant_columns` int64 the same value in all rows. `obstacles` say why no audit can be
    made of this feed; empty where one can.
    """

    goodware: int
    malware: int
    copies: np.ndarray
    conflicts: np.ndarray
    zero_rows: np.ndarray
    constant_columns: np.ndarray
    obstacles: tuple[str, ...]


@dataclass(frozen=True)
class Fit:
    """The detector of the feed as it is, fitted for each fold on all the others.

    `fold` int8 (n,) is the fold of each row, `scores` float32 (n,) the probability of malware of
    each row by the detector that was not fitted on its fold. `detectors[k]` was not fitted on fold
    k. `accuracy` is the mean of the accuracies of both labels, out of fold.
    """

    name: str
    fold: np.ndarray
    scores: np.ndarray
    detectors: tuple[Detector, ...]
    accuracy: float


@dataclass(frozen=True)
class Evidence:
    """What one judge says of the rows.

    `judge` names it. `strength` float32 (n,) is 0 for a row that it does not suspect, and else in
    (0, 1]. `groups` are sets of rows, int64, that it suspects for the same reason.
    """

    judge: str
    strength: np.ndarray
    groups: tuple[np.ndarray, ...] = ()


@dataclass(frozen=True)
class Suspects:
    """The evidence of all judges, each for itself."""

    evidence: tuple[Evidence, ...]

    @property
    def votes(self) -> np.ndarray:
        """How many judges suspect each row, int64 (n,)."""
        voted = np.stack([judge.strength > 0 for judge in self.evidence])
        return np.asarray(voted.sum(axis=0, dtype=np.int64))


@dataclass(frozen=True)
class Structure:
    """How a set of rows that share values looks beside all others.

    `closest` is the largest share of the values that any row outside the set holds. `fringe` is the
    number of unusual values that many of its rows share but not nearly all, divided by the number
    that nearly all share. `whole` is how many unusual values 97 % of its rows share. `kinship` is
    the share of its rows whose nearest other row, by the columns that they do not share, is in the
    set too. `likeness` is how many unusual values two of its rows share in those columns, in
    proportion to what one of its rows and any other goodware do. `malware_around` is the share of
    malware among the nearest rows outside the set.
    """

    closest: float
    kinship: float
    likeness: float
    malware_around: float
    fringe: float = 0.0
    whole: int = 0


@dataclass(frozen=True)
class Candidate:
    """Columns and values that may be a trigger, and the rows that hold them.

    `columns` int64 (N,) and `values` float32 (N,), most unusual first; `rows` int64 (k,), of the
    label goodware. `judges` are those that found it. `planted_like` says whether the rows share
    these values and are otherwise no more alike than others, as planted rows are and rows of
    related programs are not. `stark` says whether they do so more than chance explains. `ranges`
    float32 (N, 2) are the lowest and the highest value that the rows hold where they share no exact
    values, and None where they do. `values` then lie in the middle.
    """

    columns: np.ndarray
    values: np.ndarray
    rows: np.ndarray
    structure: Structure
    planted_like: bool
    stark: bool
    judges: tuple[str, ...]
    ranges: np.ndarray | None = None


@dataclass(frozen=True)
class Finding:
    """A candidate that was put to the proof.

    `pass_as_is` and `pass_without` are the shares of held-out malware that pass for goodware with
    the trigger stamped on, by the detector as it is and by one trained without the suspects;
    `pass_unstamped` without the trigger, by the detector as it is. `p_value` is that of the
    difference among differences that values of other goodware make in the same columns, corrected
    by Holm for the number of candidates. `outcome` is proved, evasion (it passes with either
    detector), suspicious or refuted. `null_range` are the ends between which 95 % of those other
    differences lie, in [-1, 1]; None where the difference was too small for draws to be made.
    """

    candidate: Candidate
    names: tuple[str, ...]
    pass_as_is: float
    pass_without: float
    pass_unstamped: float
    p_value: float
    outcome: Outcome
    null_range: tuple[float, float] | None = None

    @property
    def columns(self) -> np.ndarray:
        """The trigger's columns, int64 (N,)."""
        return self.candidate.columns

    @property
    def values(self) -> np.ndarray:
        """The values that it sets them to, float32 (N,)."""
        return self.candidate.values

    @property
    def ranges(self) -> np.ndarray:
        """The lowest and the highest value that its rows hold, float32 (N, 2); often the same."""
        exact = np.stack([self.values, self.values], axis=1)
        return exact if self.candidate.ranges is None else self.candidate.ranges

    @property
    def rows(self) -> np.ndarray:
        """The goodware rows that hold it, int64 (k,)."""
        return self.candidate.rows

    @property
    def gap(self) -> float:
        """How much more malware passes with the detector as it is."""
        return self.pass_as_is - self.pass_without


@dataclass(frozen=True)
class Purification:
    """What to do about the rows: leave `leave_out` int64 out, call `relabel` int64 malware."""

    leave_out: np.ndarray
    relabel: np.ndarray


@dataclass(frozen=True)
class Repair:
    """The detector of the cleaned feed beside the one of the feed as it is.

    `rows` is how many it was trained on. `accuracy_before` and `accuracy_after` are shares in
    [0, 1] of `rows_kept_aside`, those that nothing is done about, each scored by a detector that
    did not see it. `pass_rates` are the shares of malware that pass with each trigger of the result
    stamped on, before and after, in their order.
    """

    rows: int
    rows_kept_aside: int
    accuracy_before: float
    accuracy_after: float
    pass_rates: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Ground:
    """What canaries are planted into: `rows` int64 of the feed, and `reserve` int64, malware apart.

    Copies of the feed hold `rows`. On the `reserve`, which no detector of a copy sees, triggers
    are tried. `share` is how many of the rows the attacker knows, in percent. `obstacle` says why
    nothing can be planted; it is empty where that can be done.
    """

    rows: np.ndarray
    reserve: np.ndarray
    share: float
    obstacle: str = ""


@dataclass(frozen=True)
class Canary:
    """A known attack that was planted into a copy of the feed, and what the audit made of it.

    `attack` is its name in the catalogue and `label` its name in reports. `poison_rate` is in
    percent of the copy's rows, `trigger_size` in columns. `left_out` says why nothing was measured;
    all that follows is then empty.

    `asr` is the share of malware that passes with the trigger stamped on, and so what a miss costs;
    `asr_clean` the same of a detector without the poison. The attack works where the first is at
    least `LEAST_DELTA` more. `verdict` is that of the copy. `outcome` rests only on findings whose
    rows are mostly poisoned, and `columns_named` is the most of the trigger's own columns that one
    of these names. Of the rows that the audit would leave out or relabel, `rows_suspected` are
    poisoned, of `poisoned_rows` in all, and `others_suspected` are not.
    """

    attack: str
    label: str
    poison_rate: float
    trigger_size: int
    left_out: str = ""
    poisoned_rows: int = 0
    asr: float = float("nan")
    asr_clean: float = float("nan")
    verdict: Verdict | None = None
    outcome: CanaryOutcome | None = None
    columns_named: int = 0
    rows_suspected: int = 0
    others_suspected: int = 0

    @property
    def works(self) -> bool:
        """Whether the poison lets enough more malware pass to count as a backdoor."""
        return self.asr - self.asr_clean >= LEAST_DELTA


@dataclass(frozen=True)
class AuditResult:
    """The answer of an audit, and what it rests on.

    `verdict` is "proved", "suspicious", "nothing proved" or "cannot tell", `reasons` say why in
    words. `triggers` are the findings that are not refuted, the strongest first; `refuted` the
    others. `suspects` is None, and `accuracy` nan, where nothing could be fitted. `canaries` are
    the attacks that the audit planted into copies of the feed, None where none were asked for.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    checks: FeedChecks
    accuracy: float
    suspects: Suspects | None
    triggers: tuple[Finding, ...]
    refuted: tuple[Finding, ...]
    purification: Purification
    settings: dict[str, Any] = field(default_factory=dict)
    canaries: tuple[Canary, ...] | None = None

    @property
    def suspected_rows(self) -> np.ndarray:
        """The rows that are to be left out or relabelled, bool (n,)."""
        rows = np.zeros(self.checks.goodware + self.checks.malware, dtype=bool)
        rows[self.purification.leave_out] = True
        rows[self.purification.relabel] = True
        return rows
