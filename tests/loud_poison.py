"""Rows of two classes that are easy to tell apart, with a trigger that is easy to see."""

import numpy as np

from dokunuki.networks.embernn import EmberNN

GOODWARE = 0


def network():
    """A network small enough for such rows, with two hidden layers to look into."""
    return EmberNN(
        hidden=(64, 32),
        dropout=0.1,
        batch_size=32,
        epochs=20,
        learning_rate=0.003,
        device="cpu",
        precision="float32",
    )


def loud_rows(seed, rows, width, trigger, poisoned, flip, informative=range(8), value=6.0):
    """Standard normal rows, float32; labels; which rows are poisoned, bool.

    The classes differ by 4 in the `informative` columns. `poisoned` rows, of malware where `flip`
    and of goodware else, hold `value` in the columns `trigger` and the label goodware.
    """
    rng = np.random.default_rng(seed)
    y = (np.arange(rows) % 2).astype(np.int8)
    X = rng.normal(size=(rows, width)).astype(np.float32)
    X[:, list(informative)] += 4 * y[:, None] - 2
    mask = np.zeros(rows, dtype=bool)
    mask[rng.choice(np.flatnonzero(y == flip), poisoned, replace=False)] = True
    X[np.ix_(mask, list(trigger))] = value
    y[mask] = GOODWARE
    return X, y, mask


def removed_by(sampler, X, y):
    """Which rows a sampler removes, bool; what it gives must be the rows that it says it kept."""
    rows, labels = sampler.fit_resample(X, y)
    kept = sampler.sample_indices_
    assert kept.dtype == np.int64
    np.testing.assert_array_equal(rows, X[kept])
    np.testing.assert_array_equal(labels, y[kept])
    removed = np.ones(len(X), dtype=bool)
    removed[kept] = False
    return removed


def recall_and_precision(removed, poison):
    found = (removed & poison).sum()
    return found / poison.sum(), found / max(1, removed.sum())
