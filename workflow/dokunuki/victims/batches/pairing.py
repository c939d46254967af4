"""Which files of a job belong to which of its runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Run = TypeVar("Run")


def with_autoencoders(runs: Iterable[Run], files: Sequence[str]) -> list[tuple[Run, list[str]]]:
    """Each run with the files of its autoencoder; none where the list is empty."""
    listed = list(runs)
    each = len(files) // len(listed)
    parts = [list(files[place * each : (place + 1) * each]) for place in range(len(listed))]
    return list(zip(listed, parts, strict=True))
