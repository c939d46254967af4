"""The fourth stage: from rows that are suspected together to the values that they share.

A candidate trigger is grown from a group of rows. The values that nearly all of them hold and few
others do make the trigger, and the rows that hold it make the group, in turn until both stay. Then
the rows are compared with all others (`Structure`). A planted trigger is held whole or not at all,
and its rows are otherwise no more alike than any. A vendor's or a packer's programs share many more
columns, and other rows hold a good part of their values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dokunuki.audit.feed_checks import GOODWARE, MALWARE
from dokunuki.audit.results import Candidate, Structure
from dokunuki.audit.settings import (
    FEWEST_COLUMNS,
    HELD,
    LEAST_HOLDERS,
    MOST_CLOSEST,
    MOST_COLUMNS,
    MOST_FRINGE,
    MOST_KINSHIP,
    MOST_LIKENESS,
    STARK_CLOSEST,
    STARK_COLUMNS,
    STARK_KINSHIP,
    STARK_ROWS,
)
from dokunuki.audit.shared_ranges import SHARED_RANGES
from dokunuki.audit.sharing import Holders, Shared, ranges_shared_by, values_shared_by
from dokunuki.parts.standardising import Standardiser
from dokunuki.seeding import generator
from dokunuki.storage.row_blocks import row_blocks

if TYPE_CHECKING:
    from collections.abc import Callable

    from dokunuki.audit.preparing import Feed
    from dokunuki.audit.results import Suspects

_ROUNDS = 4
# Of two unusual columns there must be as many more that all rows agree in.
_FEWEST_UNUSUAL = 2
_WIDE = 6
_COMPARED = 100
_OUTSIDERS = 300


@dataclass(frozen=True)
class _Grown:
    """Columns and values with the rows that hold them; `unusual` of the columns come first.

    `ranges` float32 (columns, 2) are the lowest and the highest value, which may be the same.
    """

    columns: np.ndarray
    values: np.ndarray
    ranges: np.ndarray
    unusual: int
    rows: np.ndarray
    closest: float
    fringe: float
    whole: int


def invert_triggers(feed: Feed, suspects: Suspects, seed: int) -> tuple[Candidate, ...]:
    """Candidate triggers, those that look planted first, and of these the widest first."""
    grown: dict[bytes, tuple[_Grown, list[str]]] = {}
    holders = Holders(feed.X, feed.y)
    for evidence in suspects.evidence:
        for rows in evidence.groups:
            if evidence.judge == SHARED_RANGES:
                found = _grow(feed, rows, ranges_shared_by)
                if found is None or not _ranges_matter(found):
                    continue
            else:
                found = _grow(feed, rows, lambda feed, rows: values_shared_by(feed, rows, holders))
            if found is not None:
                key = found.columns.tobytes() + found.values.tobytes()
                judges = grown.setdefault(key, (found, []))[1]
                if evidence.judge not in judges:
                    judges.append(evidence.judge)
    kept = _without_parts([(found, tuple(judges)) for found, judges in grown.values()])
    structures = _structures(feed, [found for found, _ in kept], seed)
    candidates = [
        Candidate(
            found.columns[:MOST_COLUMNS],
            found.values[:MOST_COLUMNS],
            found.rows,
            structure,
            _planted_like(structure) and _leaves_columns(found),
            _stark(found, structure) and _leaves_columns(found),
            judges,
            found.ranges[:MOST_COLUMNS] if _ranges_matter(found) else None,
        )
        for (found, judges), structure in zip(kept, structures, strict=True)
    ]
    candidates.sort(key=lambda one: (not one.planted_like, -len(one.columns), -len(one.rows)))
    return tuple(candidates)


def _planted_like(structure: Structure) -> bool:
    return (
        structure.closest <= MOST_CLOSEST
        and structure.fringe <= MOST_FRINGE
        and structure.kinship <= MOST_KINSHIP
        and structure.likeness <= MOST_LIKENESS
    )


def _stark(found: _Grown, structure: Structure) -> bool:
    return (
        structure.closest <= STARK_CLOSEST
        and structure.kinship <= STARK_KINSHIP
        and found.unusual >= STARK_COLUMNS
        and len(found.rows) >= STARK_ROWS
    )


def _ranges_matter(found: _Grown) -> bool:
    """Whether so many of the unusual columns are ranges that no values alone make the trigger."""
    low, high = found.ranges[: found.unusual].T
    return int(np.count_nonzero(low < high)) >= FEWEST_COLUMNS


def _leaves_columns(found: _Grown) -> bool:
    """Whether kinship can be told by what rows that share ranges do not share.

    Programs that are nearly the same lie together in all columns but those where all rows do.
    """
    return found.unusual <= MOST_COLUMNS or not _ranges_matter(found)


def _grow(
    feed: Feed, rows: np.ndarray, shared_by: Callable[[Feed, np.ndarray], Shared]
) -> _Grown | None:
    """The trigger that these goodware rows share, or None where they share too little."""
    grown = None
    for _ in range(_ROUNDS):
        if len(rows) < LEAST_HOLDERS:
            return None
        shared = shared_by(feed, rows)
        columns, unusual = shared.columns, shared.unusual
        if unusual < FEWEST_COLUMNS and not (unusual >= _FEWEST_UNUSUAL and len(columns) >= _WIDE):
            return None
        held = _held(feed.X, columns[:unusual], shared.ranges[:unusual])
        members = np.flatnonzero((held >= HELD) & (feed.y == GOODWARE))
        outside = np.delete(held, members)
        # A few rows more may hold it by chance, or by the attacker's carelessness.
        spared = len(members) // 20
        closest = float(-np.partition(-outside, spared)[spared]) if len(outside) > spared else 0.0
        fringe = shared.fringe / unusual
        grown = _Grown(
            columns,
            shared.values,
            shared.ranges,
            unusual,
            members.astype(np.int64),
            closest,
            fringe,
            shared.whole,
        )
        again = np.intersect1d(members, feed.goodware)
        if np.array_equal(again, rows):
            break
        rows = again
    return grown


def _held(X: np.ndarray, columns: np.ndarray, ranges: np.ndarray) -> np.ndarray:
    """Which share of the values or ranges each row holds, float64 (n,)."""
    count = np.empty(len(X))
    low, high = ranges.T
    for block in row_blocks(len(X)):
        own = X[block][:, columns]
        count[block] = np.count_nonzero((own >= low) & (own <= high), axis=1)
    return count / len(columns)


def _without_parts(
    grown: list[tuple[_Grown, tuple[str, ...]]],
) -> list[tuple[_Grown, tuple[str, ...]]]:
    """Without those whose rows are in the main another's, of which the wider one stays."""
    kept: list[tuple[_Grown, tuple[str, ...]]] = []
    for found, judges in sorted(grown, key=lambda one: (one[0].closest, -one[0].unusual)):
        for number, (wider, by) in enumerate(kept):
            shared = len(np.intersect1d(found.rows, wider.rows))
            if shared > 0.5 * min(len(found.rows), len(wider.rows)):
                kept[number] = (wider, tuple(dict.fromkeys((*by, *judges))))
                break
        else:
            kept.append((found, judges))
    return kept


def _structures(feed: Feed, grown: list[_Grown], seed: int) -> list[Structure]:
    """The structure of each; the rows are gone through once, block by block."""
    if not grown:
        return []
    scaler = Standardiser().fit(feed.X)
    draws = [generator(seed, "audit", "structure", number) for number in range(len(grown))]
    members = [
        found.rows
        if len(found.rows) <= _COMPARED
        else np.sort(draw.choice(found.rows, _COMPARED, replace=False))
        for found, draw in zip(grown, draws, strict=True)
    ]
    probes = []
    for found, rows in zip(grown, members, strict=True):
        probe = scaler.transform(feed.X[rows])
        probe[:, found.columns] = 0
        probes.append(probe)
    nearest = [np.full(len(rows), -1) for rows in members]
    distances = [np.full(len(rows), np.inf) for rows in members]
    for block in row_blocks(len(feed.X)):
        Z = scaler.transform(feed.X[block])
        squares = np.einsum("ij,ij->i", Z, Z)
        for found, rows, probe, near, least in zip(
            grown, members, probes, nearest, distances, strict=True
        ):
            own = Z[:, found.columns]
            # The probes' shared columns are 0, and those of the rows are taken off their length.
            lengths = squares - np.einsum("ij,ij->i", own, own)
            between = lengths - 2 * (probe @ Z.T)
            inside = (rows >= block.start) & (rows < block.start + len(Z))
            between[np.flatnonzero(inside), rows[inside] - block.start] = np.inf
            best = between.argmin(axis=1)
            value = between[np.arange(len(rows)), best]
            closer = value < least
            near[closer] = best[closer] + block.start
            least[closer] = value[closer]
    structures = []
    for found, near, draw in zip(grown, nearest, draws, strict=True):
        member = np.isin(near, found.rows)
        around = feed.y[near[~member]]
        structures.append(
            Structure(
                found.closest,
                float(member.mean()),
                _likeness(feed, found, draw),
                float((around == MALWARE).mean()) if len(around) else 0.0,
                found.fringe,
                found.whole,
            )
        )
    return structures


def _likeness(feed: Feed, found: _Grown, draw: np.random.Generator) -> float:
    positions = np.flatnonzero(np.isin(feed.goodware, found.rows))
    others = np.flatnonzero(~np.isin(feed.goodware, found.rows))
    if len(positions) < 2 or not len(others):
        return 1.0
    if len(positions) > _COMPARED:
        positions = draw.choice(positions, _COMPARED, replace=False)
    if len(others) > _OUTSIDERS:
        others = draw.choice(others, _OUTSIDERS, replace=False)
    elsewhere = np.flatnonzero(~np.isin(feed.items.columns, found.columns))
    inside = feed.items.holders[positions][:, elsewhere]
    outside = feed.items.holders[others][:, elsewhere]
    shared = (inside @ inside.T).toarray()
    within = float(shared[np.triu_indices(len(positions), 1)].mean())
    across = float((inside @ outside.T).sum()) / (len(positions) * len(others))
    # One more on either side: rows that share next to nothing are not alike for it.
    return (within + 1) / (across + 1)
