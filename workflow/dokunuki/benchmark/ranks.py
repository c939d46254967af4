"""The order of the defences, and how sure it is: ranks, and their intervals by bootstrap."""

from __future__ import annotations

import numpy as np

RANK_DRAWS = 4000
"""Bootstrap draws of a rank interval: its ends are the 100th and the 3900th rank."""

# 95 %: what lies below and above the interval.
_TAILS = (0.025, 0.975)
# Shares are compared as they are printed, in steps of 0.1 percentage points.
_STEPS = 1000


def order_keys(worst: np.ndarray, accuracy: np.ndarray) -> np.ndarray:
    """Whole numbers by which defences are ordered, the best smallest; equal ones share a rank.

    Both arguments are shares and broadcast: the highest ASR, and accuracy without attack. The lower
    worst case comes first, and of equal ones the higher accuracy; both count to 0.1 percentage
    points. Neither may be NaN.
    """
    # Accuracy is at most 1, so that it decides between equal worst cases only.
    keys = np.rint(worst * _STEPS) * 2 * _STEPS - np.rint(accuracy * _STEPS)
    return np.asarray(keys, dtype=np.int64)


def places(keys: np.ndarray) -> np.ndarray:
    """The rank of each key among those of its last axis, from 1; equal keys share the lowest."""
    return np.asarray(1 + (keys[..., None, :] < keys[..., :, None]).sum(axis=-1))


def rank_intervals(
    asr: np.ndarray,
    accuracy: np.ndarray,
    attacks: np.ndarray,
    generator: np.random.Generator,
    draws: int = RANK_DRAWS,
) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and highest rank of each defence (d,) in a 95 % interval, whole numbers.

    `asr` (d, c, s) are the ASRs of d ranked defences in c attacked cells over s seeds, `accuracy`
    (d, s) those without attack, both with NaN for a failed seed; `attacks` (c,) tells by whole
    numbers from 0 which attack each cell belongs to. Every cell has a seed with a result.

    Two things are resampled, with replacement. *Seeds*, since another sample, another draw of the
    poison and other initial weights were possible. *Attacks*, since the worst case is a maximum
    over those that happened to be implemented, and a rank that depends on one of them is uncertain;
    an attack brings all of its cells (N and p). Every draw takes the same seeds and attacks for all
    defences, as the comparison itself does, and ranks by the same criterion (`order_keys`). The
    interval is that of the percentiles. About a third of the draws lack the attack that is worst
    for a defence, so that the interval may leave its rank out. With few seeds it is too narrow: the
    variance over n seeds drawn from n is (n - 1) / n of the unbiased estimate.

    Where a draw has none of the seeds in which a cell gave a result, the mean over those seeds is
    used. With fewer than two seeds that gave anything there is no interval: both are NaN. With one
    attack the interval is over seeds alone.
    """
    defences = len(asr)
    some = ~(np.isnan(asr).all(axis=(0, 1)) & np.isnan(accuracy).all(axis=0))
    if some.sum() < 2 or not asr.size:
        return np.full(defences, np.nan), np.full(defences, np.nan)
    seeds = int(some.sum())
    weights = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=draws)
    number = int(attacks.max()) + 1
    drawn = np.zeros((draws, number), dtype=bool)
    np.put_along_axis(drawn, generator.integers(number, size=(draws, number)), True, axis=1)
    worst = np.full((draws, defences), -np.inf)
    for attack in range(number):
        # One attack at a time: all of them take a lot of memory in a large grid.
        means = _resampled_means(asr[:, attacks == attack][..., some], weights)
        highest = np.where(drawn[:, attack, None], means.max(axis=-1), -np.inf)
        np.maximum(worst, highest, out=worst)
    keys = order_keys(worst, _resampled_means(accuracy[:, some], weights))
    low, high = np.quantile(places(keys), _TAILS, axis=0, method="inverted_cdf")
    return low, high


def _resampled_means(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Means over seeds, (b, ...), of values (..., s) that b draws took `weights` (b, s) times."""
    known = ~np.isnan(values)
    # Summed in one order whatever the number of threads, unlike a matrix product.
    total = np.einsum("bs,...s->b...", weights, np.where(known, values, 0.0))
    count = np.einsum("bs,...s->b...", weights, known.astype(np.int64))
    means = np.where(count > 0, total / np.maximum(count, 1), np.nanmean(values, axis=-1))
    return np.asarray(means, dtype=np.float64)
