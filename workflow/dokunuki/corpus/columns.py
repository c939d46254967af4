"""What columns are made of: their kinds, and the groups that all feature versions share."""

from __future__ import annotations

from typing import Literal, get_args

# What a column holds: a whole number, 0 or 1, a real number, hashed tokens, or the code of a
# category. Codes have no order, and one that no row holds may mean nothing.
Kind = Literal["count", "flag", "real", "hash", "category"]
KINDS: tuple[Kind, ...] = get_args(Kind)

# Names and kinds, in the order of the columns.
Columns = tuple[tuple[str, Kind], ...]

HISTOGRAMS: dict[str, Columns] = {
    "histogram": tuple((f"histogram_{byte:02x}", "real") for byte in range(256)),
    "byteentropy": tuple(
        (f"byteentropy_{entropy:x}_{byte:x}", "real") for entropy in range(16) for byte in range(16)
    ),
}
PRINTABLE: Columns = tuple((f"printabledist_{code:02x}", "real") for code in range(0x20, 0x80))


def hashed(name: str, width: int) -> Columns:
    """The columns into which the tokens of one thing are hashed."""
    return tuple((f"{name}_hash_{column}", "hash") for column in range(width))
