"""Values that the same goodware rows share: what a planted trigger looks like from outside.

A trigger stands in some goodware-labelled rows and, with values that are unusual, in hardly any
other. Two of its columns therefore pick out nearly the same rows. An *item* is a column and one of
its values; items whose rows nearly coincide form a *group*. Programs of one vendor share values
too. These agree in much else besides, which `kinship` measures and a planted trigger lacks.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from dokunuki.audit.settings import HELD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scipy.sparse import csr_array

_BLOCK = 512
_COLUMNS = 64
_ALL = slice(None)


@dataclass(frozen=True)
class Items:
    """Columns and values that some, but not many, of the rows hold.

    `holders` is a 0-1 matrix, float32 (rows, items). `columns` int64 and `values` float32 (items,)
    say what an item is, `support` int64 (items,) how many of the rows hold it.
    """

    holders: csr_array
    columns: np.ndarray
    values: np.ndarray
    support: np.ndarray


def column_blocks(
    X: np.ndarray, rows: np.ndarray | slice = _ALL
) -> Iterator[tuple[int, np.ndarray]]:
    """The columns of some rows of X, some at a time: the first one's number, and (columns, rows).

    A column in one piece is quickly sorted, and few of them take little memory.
    """
    for start in range(0, X.shape[1], _COLUMNS):
        yield start, np.ascontiguousarray(X[:, start : start + _COLUMNS][rows].T)


def items_of(X: np.ndarray, rows: np.ndarray, least: int, most: int) -> Items:
    """The items of some rows of X float32 (n, width): of `rows`, at least `least` hold them.

    At most `most` do. `rows` int64 (g,) are positions; holders are told by their place in them.
    """
    from scipy.sparse import csr_array

    holders, numbers, columns, values, support = [], [], [], [], []
    count = 0
    every = (
        (start + place, one)
        for start, part in column_blocks(X, rows)
        for place, one in enumerate(part)
    )
    for column, held_by_rows in every:
        held, inverse, counts = np.unique(held_by_rows, return_inverse=True, return_counts=True)
        chosen = (counts >= least) & (counts <= most)
        if not chosen.any():
            continue
        number = np.full(len(held), -1)
        number[chosen] = count + np.arange(chosen.sum())
        of_row = number[inverse]
        holding = np.flatnonzero(of_row >= 0)
        # There are many: in half of the memory.
        holders.append(holding.astype(np.int32))
        numbers.append(of_row[holding].astype(np.int32))
        columns.append(np.full(int(chosen.sum()), column))
        values.append(held[chosen])
        support.append(counts[chosen])
        count += int(chosen.sum())
    if not count:
        empty = np.empty(0, np.int64)
        return Items(csr_array((len(rows), 0), dtype=np.float32), empty, empty.astype("f4"), empty)
    places = (np.concatenate(holders), np.concatenate(numbers))
    ones = np.ones(len(places[0]), dtype=np.float32)
    return Items(
        csr_array((ones, places), shape=(len(rows), count)),
        np.concatenate(columns).astype(np.int64),
        np.concatenate(values).astype(np.float32),
        np.concatenate(support).astype(np.int64),
    )


def coinciding(items: Items, least_jaccard: float) -> Iterator[tuple[int, np.ndarray]]:
    """For each item the items, itself among them, whose rows coincide with its own.

    Two sets of rows coincide when their intersection is at least `least_jaccard` of their union.
    Blocks of items are compared at a time: memory grows with their number, not its square.
    """
    by_item = items.holders.T.tocsr()
    for start in range(0, len(items.columns), _BLOCK):
        shared = (by_item[start : start + _BLOCK] @ items.holders).tocoo()
        union = items.support[start + shared.row] + items.support[shared.col] - shared.data
        near = shared.data >= least_jaccard * union
        order = np.lexsort((shared.col[near], shared.row[near]))
        rows, columns = shared.row[near][order], shared.col[near][order]
        ends = np.searchsorted(rows, np.arange(min(_BLOCK, len(items.columns) - start) + 1))
        for item, (first, last) in enumerate(pairwise(ends)):
            yield start + item, columns[first:last]


def coinciding_groups(
    items: Items, least_jaccard: float, fewest: int, most: int
) -> list[np.ndarray]:
    """Groups of at least `fewest` columns whose items coincide, the widest first, at most `most`.

    Each is the rows, int64, that hold most of the items of the group. A group whose items mostly
    stand in a wider one is left out.
    """
    wide = [
        (len(np.unique(items.columns[near])), item, near)
        for item, near in coinciding(items, least_jaccard)
        if len(near) >= fewest
    ]
    wide.sort(key=lambda group: (-group[0], group[1]))
    taken = np.zeros(len(items.columns), dtype=bool)
    groups: list[np.ndarray] = []
    for width, item, near in wide:
        if width < fewest or len(groups) == most:
            break
        if taken[item]:
            continue
        taken[near] = True
        held = np.asarray(items.holders[:, near].sum(axis=1)).ravel()
        groups.append(np.flatnonzero(held >= HELD * len(near)).astype(np.int64))
    return groups
