"""Which files of a job belong to which of its runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Run = TypeVar("Run")


def with_files(
    runs: Iterable[Run], autoencoders: Sequence[str], row_choices: Sequence[str]
) -> list[tuple[Run, list[str], list[str]]]:
    """Each run with the files of its autoencoder and of its row choice; none of an empty list."""
    listed = list(runs)
    parts = (_parts(files, len(listed)) for files in (autoencoders, row_choices))
    return list(zip(listed, *parts, strict=True))


def _parts(files: Sequence[str], count: int) -> list[list[str]]:
    each = len(files) // count
    return [list(files[place * each : (place + 1) * each]) for place in range(count)]
