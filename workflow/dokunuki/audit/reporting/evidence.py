"""The evidence of a report, as plain records: what other rows hold, which rows are suspected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dokunuki.audit.feed_checks import GOODWARE, MALWARE
from dokunuki.audit.reporting.words import KEEP, LEAVE_OUT, LOOK, RELABEL
from dokunuki.seeding import generator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dokunuki.audit.reporting.facts import Facts
    from dokunuki.audit.results import AuditResult, Finding

# Rows of each label that triggers are held against, and of each trigger's own.
COMPARED = 5_000
_OWN = 1_000


@dataclass(frozen=True)
class Held:
    """What rows hold in a column: their median, and how many hold a given value or range."""

    median: float
    share: float


@dataclass(frozen=True)
class ColumnEvidence:
    """A column of a trigger: its value or range, and what other rows hold there.

    `low` and `high` are the ends of the range, and the same for a value. `own` is the share of the
    trigger's rows that hold it; None stands where there is no other row of a label.
    """

    name: str
    group: str
    low: np.float32
    high: np.float32
    own: float
    goodware: Held | None
    malware: Held | None


@dataclass(frozen=True)
class Suspect:
    """A row that a judge suspects, or that holds a trigger.

    `strength` is what each judge gives it, in their order; `triggers` are numbers, from 1, in the
    order of `AuditResult.triggers`.
    """

    row: int
    votes: int
    strength: tuple[float, ...]
    triggers: tuple[int, ...]
    action: str


def judges_of(result: AuditResult) -> tuple[str, ...]:
    """The judges that voted, by name."""
    if result.suspects is None:
        return ()
    return tuple(judge.judge for judge in result.suspects.evidence)


def suspects_of(result: AuditResult) -> list[Suspect]:
    """All rows that a judge suspects or a trigger holds; those to leave out or relabel first."""
    rows = result.checks.goodware + result.checks.malware
    judges = [] if result.suspects is None else [one.strength for one in result.suspects.evidence]
    strength = np.stack(judges, axis=1) if judges else np.zeros((rows, 0), dtype=np.float32)
    votes = np.count_nonzero(strength > 0, axis=1)
    numbers: dict[int, list[int]] = {}
    for number, finding in enumerate(result.triggers, start=1):
        for row in finding.rows.tolist():
            numbers.setdefault(row, []).append(number)
    relabel = set(result.purification.relabel.tolist())
    leave_out = set(result.purification.leave_out.tolist())
    concerned = sorted({*np.flatnonzero(votes).tolist(), *numbers, *relabel, *leave_out})
    suspects = []
    for row in concerned:
        action = LOOK if row in numbers else KEEP
        action = RELABEL if row in relabel else LEAVE_OUT if row in leave_out else action
        suspects.append(
            Suspect(
                row,
                int(votes[row]),
                tuple(float(str(value)) for value in strength[row]),
                tuple(numbers.get(row, ())),
                action,
            )
        )
    urgency = {LEAVE_OUT: 0, RELABEL: 0, LOOK: 1, KEEP: 2}
    return sorted(
        suspects,
        key=lambda one: (urgency[one.action], one.triggers[:1] or (len(numbers) + 1,), -one.votes),
    )


def column_evidence(
    findings: Sequence[Finding], result: AuditResult, facts: Facts
) -> list[list[ColumnEvidence]]:
    """For each finding, what its rows and others hold in its columns.

    Others are at most `COMPARED` rows of each label that stand in no finding, drawn by the audit's
    seed. A finding's own rows are bounded, too. All rows are read at one time.
    """
    if not findings:
        return []
    seed = int(result.settings.get("seed", 0))
    involved = np.zeros(len(facts.y), dtype=bool)
    for finding in findings:
        involved[finding.rows] = True
    others = [
        drawn(np.flatnonzero((facts.y == label) & ~involved), COMPARED, seed, label)
        for label in (GOODWARE, MALWARE)
    ]
    own = [drawn(np.sort(finding.rows), _OWN, seed, "own") for finding in findings]
    rows = np.unique(np.concatenate([*others, *own]))
    columns = np.unique(np.concatenate([finding.columns for finding in findings]))
    X = np.asarray(facts.X[rows])[:, columns]
    goodware, malware = (X[np.searchsorted(rows, chosen)] for chosen in others)
    evidence = []
    for finding, chosen in zip(findings, own, strict=True):
        places = np.searchsorted(columns, finding.columns)
        held = X[np.ix_(np.searchsorted(rows, chosen), places)]
        evidence.append(
            [
                ColumnEvidence(
                    name,
                    facts.layout.group_of(int(column)),
                    low,
                    high,
                    float(np.mean((held[:, index] >= low) & (held[:, index] <= high))),
                    _held(goodware[:, place], low, high),
                    _held(malware[:, place], low, high),
                )
                for index, (name, column, (low, high), place) in enumerate(
                    zip(finding.names, finding.columns, finding.ranges, places, strict=True)
                )
            ]
        )
    return evidence


def drawn(rows: np.ndarray, most: int, seed: int, *names: str | int) -> np.ndarray:
    """At most so many of the rows, in ascending order, as memory maps are read best."""
    if len(rows) <= most:
        return rows
    draw = generator(seed, "audit", "report", *names)
    return np.sort(draw.choice(rows, most, replace=False))


def _held(values: np.ndarray, low: np.float32, high: np.float32) -> Held | None:
    if not len(values):
        return None
    return Held(float(np.median(values)), float(np.mean((values >= low) & (values <= high))))
