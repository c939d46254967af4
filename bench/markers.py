"""Tables that are written into a document, each between a pair of markers of its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dokunuki.storage.files import atomic_write

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def _markers(name: str) -> tuple[str, str]:
    return f"<!-- table: {name} -->\n", f"<!-- end: {name} -->"


def table_in(text: str, name: str) -> str:
    """What stands between the markers; raises ValueError when they are not there."""
    start, end = _markers(name)
    _, opening, rest = text.partition(start)
    table, closing, _ = rest.partition(end)
    if not (opening and closing):
        raise ValueError(f"the document has no markers of a table {name!r}")
    return table.rstrip("\n")


def write_tables(path: Path, tables: Mapping[str, str]) -> None:
    """Put every table in the place of what stands between its markers."""
    text = path.read_text(encoding="utf-8")
    for name, table in tables.items():
        table_in(text, name)
        start, end = _markers(name)
        before, _, rest = text.partition(start)
        text = f"{before}{start}{table}\n{end}{rest.partition(end)[2]}"
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
