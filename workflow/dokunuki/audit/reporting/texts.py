"""Numbers and names as the report shows them; names come from the feed and may hold anything."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

NONE = "–"
"""Stands for a number that does not exist."""

LONGEST = 80
_EXACT = 1e15


def number(value: float | np.floating) -> str:
    """A value as a reader would type it: whole numbers in full, others with six digits."""
    # By way of its shortest text, or a float32 would show digits that it does not have.
    shown = float(str(value))
    if math.isnan(shown):
        return NONE
    if shown == round(shown) and abs(shown) < _EXACT:
        return f"{shown:z.0f}"
    return f"{shown:.6g}"


def held_in_words(low: float | np.floating, high: float | np.floating) -> str:
    """What is held, as a reader would say it: "= 7", or "between 6.91 and 6.94"."""
    return f"= {number(low)}" if low == high else f"between {number(low)} and {number(high)}"


def percent(share: float) -> str:
    """A share in whole percent, or with one decimal where it would wrongly read 0 or 100 %."""
    if math.isnan(share):
        return NONE
    shown = 100 * share
    if 0 < shown < 1 or 99 < shown < 100:
        return f"{shown:.1f} %"
    return f"{shown:.0f} %"


def counted(count: int, one: str, many: str = "") -> str:
    """A count with its noun: "1 row", "2,000 rows"."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def p_value(value: float) -> str:
    """A p-value as text."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def plain(text: object, longest: int = LONGEST) -> str:
    """A name on one line: what cannot be printed is escaped, what is too long is cut in the middle.

    Marks that change the direction of reading are escaped as well: they would make a name look like
    another one.
    """
    shown = "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in str(text)
    )
    if len(shown) <= longest:
        return shown
    tail = longest // 4
    return f"{shown[: longest - tail - 1]}…{shown[-tail:]}"
