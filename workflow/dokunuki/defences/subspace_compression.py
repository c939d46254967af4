"""Feature compression by Tian et al.: rare values are merged with their neighbours.

A trigger relies on values that few training rows hold. Where every value that the classifier can
tell from others is held by many rows, there is none whose meaning comes from poison alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from dokunuki.errors import ConfigError, DokunukiError
from dokunuki.parts.estimator import Transformer, checked_rows
from dokunuki.parts.saving import SavedAsTensors

if TYPE_CHECKING:
    from dokunuki.corpus.layout import FeatureLayout

# A column is cut off at this many interquartile ranges beyond its quartiles.
_FENCES = 3.0


@dataclass(eq=False, repr=False)
class SubspaceCompression(SavedAsTensors, Transformer):
    """Each attackable column becomes the number of its interval, of those dense enough to keep.

    Source: Tian et al., "Sparsity Brings Vulnerabilities: Exploring New Metrics in Backdoor
    Attacks", USENIX Security 2023, in the reading of the code that the authors published
    (repository IanWE/Sparsity-Brings-Vunerabilities); the paper's text was not at hand. A column is
    cut off three interquartile ranges beyond its quartiles, so that one whose quartiles are equal
    becomes constant. If it has more than `intervals` values, as many intervals of equal width take
    their place. Then, while the rarest is held by a share of at most `density` of the rows, it
    joins a neighbour: an inner one that whose labels are nearer to its own by Kullback-Leibler
    divergence. What is left is numbered in order.

    Two choices are ours: the 512 undefended columns stay as they are, as with all defences of the
    attackable region, and numbers are standardised over the training rows, as the rows were. The
    authors try densities from 0.01 to 0.32.

    After `fit`, by attackable column: `boundaries_`, the lower ends of all intervals but the first,
    float32 (columns, most), filled up with infinity; `mean_` and `scale_` of the numbers, float64
    (columns,), the scale 0 for a column that became constant.
    """

    assumed_regions: ClassVar[tuple[str, ...]] = ("all",)

    layout: FeatureLayout
    density: float = 0.08
    intervals: int = 100

    def fit(self, X: np.ndarray, y: np.ndarray | None = None) -> Self:
        """Find the intervals from contaminated rows, (n, width), and labels 0 or 1, (n,).

        Raises ConfigError for a parameter out of range, DokunukiError where there is no row.
        """
        if not 0 <= self.density < 1:
            raise ConfigError(f"density: {self.density!r} must be in [0, 1)")
        if self.intervals < 2:
            raise ConfigError(f"intervals: {self.intervals!r} must be at least 2")
        if y is None:
            raise ValueError("SubspaceCompression: labels decide which values are merged; give y")
        X = checked_rows(X, self.layout.width)
        if not len(X):
            raise DokunukiError(
                "SubspaceCompression needs rows to find intervals in, and got none; give it "
                "training rows"
            )
        malware = np.asarray(y) == 1
        found = []
        self.mean_, self.scale_ = np.empty((2, len(self.layout.attackable)))
        for place, column in enumerate(self.layout.attackable):
            values = np.ascontiguousarray(X[:, column])
            found.append(self._boundaries(values, malware))
            numbers = np.searchsorted(found[-1], values, side="right")
            self.mean_[place], self.scale_[place] = numbers.mean(), numbers.std()
        self.boundaries_ = np.full((len(found), max(map(len, found))), np.inf, dtype=np.float32)
        for row, boundaries in zip(self.boundaries_, found, strict=True):
            row[: len(boundaries)] = boundaries
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Rows of the same width and column order, float32 (n, width)."""
        self.check_fitted("boundaries_")
        result = np.array(X, dtype=np.float32)
        values = result[:, self.layout.attackable]
        numbers = np.zeros(values.shape)
        for boundaries in self.boundaries_.T:
            numbers += values >= boundaries
        # A constant column has the number 0, as has the mean.
        scale = np.where(self.scale_ > 0, self.scale_, 1.0)
        result[:, self.layout.attackable] = (numbers - self.mean_) / scale
        return result

    def _boundaries(self, values: np.ndarray, malware: np.ndarray) -> np.ndarray:
        """The lower ends of a column's intervals, without the first."""
        lower, upper = np.percentile(values, [25, 75])
        reach = _FENCES * (upper - lower)
        values = np.clip(values, np.float32(lower - reach), np.float32(upper + reach))
        edges = np.unique(values)
        if len(edges) > self.intervals:
            edges = np.linspace(edges[0], edges[-1], self.intervals + 1, dtype=np.float32)[:-1]
        cells = np.searchsorted(edges, values, side="right") - 1
        rows = np.bincount(cells, minlength=len(edges))
        of_malware = np.bincount(cells, malware, minlength=len(edges))
        occupied = rows > 0
        kept = merged_cells(rows[occupied], of_malware[occupied], self.density)
        return np.asarray(edges[occupied][kept][1:])

    def _fitted_arrays(self) -> dict[str, np.ndarray]:
        self.check_fitted("boundaries_")
        return {"boundaries": self.boundaries_, "mean": self.mean_, "scale": self.scale_}

    def _restore(self, arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
        self.boundaries_ = arrays["boundaries"]
        self.mean_, self.scale_ = arrays["mean"], arrays["scale"]


def merged_cells(rows: np.ndarray, malware: np.ndarray, density: float) -> list[int]:
    """Merge neighbouring cells until each holds more than the share `density` of the rows.

    `rows` and `malware`, (cells,), count a column's rows in each cell, from the lowest up. The
    result is the first old cell of each new one, from 0 up. Of cells equally rare the lowest joins
    first; of neighbours equally near it joins the upper.
    """
    firsts = list(range(len(rows)))
    counts = rows.tolist()
    positives = malware.tolist()
    enough = density * sum(counts)
    while len(counts) > 1 and min(counts) <= enough:
        rarest = counts.index(min(counts))
        shares = [bad / all_rows for bad, all_rows in zip(positives, counts, strict=True)]
        joins_lower = rarest == len(counts) - 1 or (
            rarest > 0
            and _divergence(shares[rarest], shares[rarest - 1])
            < _divergence(shares[rarest], shares[rarest + 1])
        )
        upper = rarest if joins_lower else rarest + 1
        # The upper of the two gives its rows to the lower, which keeps its own lower end.
        counts[upper - 1] += counts.pop(upper)
        positives[upper - 1] += positives.pop(upper)
        del firsts[upper]
    return firsts


def _divergence(share: float, other: float) -> float:
    """Kullback-Leibler divergence of two outcomes, one of probability `share`, from `other`."""
    total = 0.0
    for p, q in ((share, other), (1 - share, 1 - other)):
        if p > 0:
            total += p * math.log(p / q) if q > 0 else math.inf
    return total
