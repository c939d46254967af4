"""MDR, "make data reliable" (Wang et al., ACSAC 2022), without what only its authors could know.

The paper names the three stages; how each works in detail is taken from what the authors' published
program does. That program is told the true number of poisoned rows, which bounds the size of the
suspected group, and a similarity threshold chosen per attack, poison rate and trigger size. Here
the size has the bounds that the program has where it is told of no attack, and the threshold is
taken from the rows themselves.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dokunuki.defences.boosted_trees import contributions, fit_trees
from dokunuki.defences.filtering import GOODWARE, Filter

if TYPE_CHECKING:
    import lightgbm
    from scipy.sparse import csr_array

    from dokunuki.corpus.layout import FeatureLayout

_LEAST_CONTRIBUTION = 0.01
_HELD_BY_MOST = 0.9
_STAMPED_ROWS = 100
_GROUP = 8
# Of the suspected rows, how many must hold a value of the watermark: by group of columns, and last.
_HOLDERS = (0.8, 0.9, 1.0)


@dataclass(eq=False, repr=False)
class MDR(Filter):
    """Removes goodware rows that hold a watermark found by explanation.

    1. Suspicious rows: LightGBM is trained on the contaminated rows (one training). A goodware
       row's strong pairs are its values, with their columns, that contribute less than -0.01 to its
       logit (SHAP). Goodware rows are joined by an edge, as heavy as the number of strong pairs
       that they share, where they share at least t, the smallest number that at most `joined`
       percent of the pairs of rows reach. Of the Louvain communities with at least `smallest` and
       at most `largest` percent of the goodware rows, the suspected one is that whose common
       strong pairs (held by more than 90 %), stamped on the first 100 malware rows, give these the
       lowest median probability of malware.
    2. Watermark: over the columns that speak for goodware in the suspected rows, strongest first
       and in groups of 8, the commonest values of the suspected rows are candidates when 80 % (90 %
       in the second group, all in later ones) hold them. Of the subsets of at least half (rounded
       down) of a group's candidates the one joins whose watermark so far is the most frequent in
       the suspected rows in proportion to the other goodware rows, unless that proportion falls;
       then only the suspected rows that hold it stay suspected.
    3. Goodware rows that hold the whole watermark are removed.

    Our readings of it: columns are those of `region`, by default the ones that an attacker can set,
    in the place of columns with a variance of more than 0.5 in raw units, which a defence does not
    see; a value that most of the other goodware rows hold is no candidate, where the authors leave
    out the value 0, for the same reason; nothing is removed when the common pairs leave the median
    probability at 0.5 or above; edges weigh what their rows share, where the program subtracts that
    from a constant. Malware rows with the watermark, which the authors add to the training rows,
    are not added: this is a filter.

    Time and memory grow with the square of the number of goodware rows.

    After `fit_resample`, beside `sample_indices_`: `watermark_` (standardised value by column,
    empty when there is none).
    """

    layout: FeatureLayout
    region: str = "non_hashed"
    joined: float = 1.0
    smallest: float = 1.0
    largest: float = 10.0
    seed: int = 0
    threads: int = 1

    def _suspicious(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        goodware = np.flatnonzero(y == GOODWARE)
        rows, malware = X[goodware], X[y != GOODWARE][:_STAMPED_ROWS]
        columns = self.layout.columns(self.region)
        trees = fit_trees(X, y, self._random_state, self.threads)
        shap = contributions(trees, rows)[:, columns]
        self.watermark_: dict[int, float] = {}
        suspects = self._suspects(trees, rows, malware, columns, shap)
        if suspects is not None:
            found = watermark(rows[:, columns], shap, suspects)
            self.watermark_ = {int(columns[c]): value for c, value in found.items()}
        suspicious = np.zeros(len(X), dtype=bool)
        if self.watermark_:
            marked = np.array(list(self.watermark_))
            values = np.array(list(self.watermark_.values()), dtype=np.float32)
            suspicious[goodware] = (rows[:, marked] == values).all(axis=1)
        return suspicious

    def _suspects(
        self,
        trees: lightgbm.LGBMClassifier,
        rows: np.ndarray,
        malware: np.ndarray,
        columns: np.ndarray,
        shap: np.ndarray,
    ) -> np.ndarray | None:
        """The suspected of the goodware rows, bool (g,), or None."""
        pairs, pair_columns, pair_values = strong_pairs(rows[:, columns], shap)
        best: np.ndarray | None = None
        lowest = 0.5
        for members in communities(pairs, self.joined, self._random_state):
            share = 100 * len(members) / len(rows)
            if len(members) < 2 or not self.smallest <= share <= self.largest:
                continue
            common = np.flatnonzero(pairs[members].mean(axis=0) > _HELD_BY_MOST)
            stamped = malware.copy()
            stamped[:, columns[pair_columns[common]]] = pair_values[common]
            median = float(np.median(np.asarray(trees.predict_proba(stamped))[:, 1]))
            if median < lowest:
                best, lowest = members, median
        if best is None:
            return None
        return np.isin(np.arange(len(rows)), best)


def strong_pairs(rows: np.ndarray, shap: np.ndarray) -> tuple[csr_array, np.ndarray, np.ndarray]:
    """Which pairs of column and value speak strongly for goodware in which rows.

    For rows (g, k) and their contributions: a 0-1 matrix (g, pairs), the pairs' columns int64 and
    their values float32.
    """
    from scipy.sparse import csr_array

    strong = shap < -_LEAST_CONTRIBUTION
    holders, places, columns, values = [], [], [], []
    count = 0
    for column in np.flatnonzero(strong.any(axis=0)):
        holding = np.flatnonzero(strong[:, column])
        held, numbers = np.unique(rows[holding, column], return_inverse=True)
        holders.append(holding)
        places.append(count + numbers)
        columns.append(np.full(len(held), column))
        values.append(held)
        count += len(held)
    if not count:
        return csr_array((len(rows), 0), dtype=np.int32), np.empty(0, int), np.empty(0, np.float32)
    places_of = (np.concatenate(holders), np.concatenate(places))
    ones = np.ones(len(places_of[0]), dtype=np.int32)
    pairs = csr_array((ones, places_of), shape=(len(rows), count))
    return pairs, np.concatenate(columns), np.concatenate(values)


def communities(pairs: csr_array, joined: float, seed: int) -> list[np.ndarray]:
    """The Louvain communities of rows by the pairs that they share, row numbers ascending in each.

    Rows are joined where they share at least as many pairs as the smallest number that at most
    `joined` percent of the pairs of rows reach.
    """
    import networkx as nx
    from scipy.sparse import coo_array

    if pairs.shape[0] < 2:
        return [np.arange(pairs.shape[0])]
    shared = np.triu((pairs @ pairs.T).toarray(), 1)
    least = np.percentile(
        shared[np.triu_indices(len(shared), 1)], 100 - joined, method="inverted_cdf"
    )
    shared[shared <= least] = 0
    graph = nx.from_scipy_sparse_array(coo_array(shared))
    found = nx.community.louvain_communities(graph, seed=seed)
    return sorted((np.array(sorted(nodes)) for nodes in found), key=lambda nodes: int(nodes[0]))


def watermark(rows: np.ndarray, shap: np.ndarray, suspects: np.ndarray) -> dict[int, float]:
    """The values, by column, that mark the suspected of the rows (g, k); see MDR's second stage.

    `shap` (g, k) are the rows' contributions, `suspects` is bool (g,).
    """
    means = shap[suspects].mean(axis=0)
    order = np.argsort(means, kind="stable")
    order = order[: int((means < 0).sum())]
    found: dict[int, float] = {}
    inside, outside = suspects, ~suspects
    best = 0.0
    for number, start in enumerate(range(0, len(order), _GROUP)):
        least = _HOLDERS[min(number, len(_HOLDERS) - 1)] * inside.sum()
        holders: dict[int, np.ndarray] = {}
        for column in order[start : start + _GROUP].tolist():
            value, count = _commonest(rows[inside, column])
            holding = rows[:, column] == value
            if count >= least and holding[~suspects].mean() <= 0.5:
                holders[column] = holding
        score, chosen = _best_subset(holders, inside, outside)
        if chosen and score >= best:
            best = score
            for column in chosen:
                found[column] = float(_commonest(rows[inside, column])[0])
            held = _hold_all(holders, chosen)
            inside, outside = inside & held, outside & held
    return found


def _commonest(values: np.ndarray) -> tuple[np.float32, int]:
    held, counts = np.unique(values, return_counts=True)
    return held[np.argmax(counts)], int(counts.max())


def _best_subset(
    holders: dict[int, np.ndarray], inside: np.ndarray, outside: np.ndarray
) -> tuple[float, tuple[int, ...]]:
    """The columns whose values together are the most frequent inside in proportion to outside.

    Of equals the larger subset; with its score, in which nobody outside counts as half a row.
    """
    best: tuple[float, tuple[int, ...]] = (0.0, ())
    for size in range(max(1, len(holders) // 2), len(holders) + 1):
        for subset in itertools.combinations(holders, size):
            held = _hold_all(holders, subset)
            score = int((inside & held).sum()) / max(0.5, int((outside & held).sum()))
            if score >= best[0]:
                best = (score, subset)
    return best


def _hold_all(holders: dict[int, np.ndarray], columns: tuple[int, ...]) -> np.ndarray:
    return np.asarray(np.all([holders[column] for column in columns], axis=0))
