"""Poison rates: percent of the whole training set, in exact steps of 0.01 percent."""

from __future__ import annotations


def rate_code(rate: float) -> int:
    """A poison rate in steps of 0.01 percent: 1 -> 100. Raises ValueError between steps."""
    code = round(rate * 100)
    if abs(code - rate * 100) > 1e-6:
        raise ValueError(f"{rate} is not a multiple of 0.01 percent")
    return code


def poison_count(rate: float, train_rows: int) -> int:
    """How many rows p percent of the whole training set are, halves rounded up.

    Severi et al.'s definition: at 1 percent of 8,000 rows, 80 rows. Integers throughout, since
    0.35 percent is no binary fraction and its halves would be lost.
    """
    return (2 * rate_code(rate) * train_rows + 10_000) // 20_000
