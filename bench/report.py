"""bench/results.md and the table of docs/performance.md: made of the lines that benchmarks print.

A line is an object: with `benchmark`, what it ran on; with `verdict`, one bound; any other is a
detail, which comes in a table below the bounds.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

INTRODUCTION = """# Benchmarks

Written by `make bench`, section by section: `python -m bench NAME` measures one anew and leaves the
others. Every line of a first table is one bound. "Ratio" is what the bound is about, in the unit
that the line names; "measured" is what it is made of. A bound that was not reached says "missed".
"""
_BOUNDS = ["", "measured", "ratio", "bound", ""]
_APART = {"name", "ratio", "bound", "verdict"}


def section(name: str, lines: Sequence[Mapping[str, Any]], ran_on: Mapping[str, Any]) -> str:
    """A benchmark's part of the document; the lines' own facts go before those of `ran_on`."""
    facts = dict(ran_on)
    bounds, details = [], []
    for line in lines:
        if "benchmark" in line:
            facts |= {key: value for key, value in line.items() if key != "benchmark"}
        elif "verdict" in line:
            measured = {key: value for key, value in line.items() if key not in _APART}
            cells = [line["name"], _pairs(measured), line.get("ratio", ""), line.get("bound", "")]
            bounds.append([*cells, shown_verdict(line["verdict"])])
        else:
            details.append(line)
    title = f"`python -m bench {name}`: {_pairs(facts)}"
    parts = [f"## {name}", title, markdown_table(_BOUNDS, bounds)]
    if details:
        parts.append(markdown_table(list(details[0]), [list(line.values()) for line in details]))
    return "\n\n".join(parts) + "\n"


def updated(document: str, name: str, text: str, names: Iterable[str]) -> str:
    """The document with one section in the place of its former self, and the others as they are.

    Sections stand in the order of `names`; one that the document does not have yet says that
    nothing was measured, and one of another name is left out.
    """
    kept = {
        part.partition("\n")[0]: part
        for part in re.split(r"^## ", document, flags=re.MULTILINE)[1:]
    }
    kept[name] = text.removeprefix("## ")
    parts = [
        f"## {kept[other].strip()}\n" if other in kept else unmeasured(other) for other in names
    ]
    return "\n".join([INTRODUCTION, *parts])


def unmeasured(name: str) -> str:
    """The section of a benchmark that has not run."""
    return section(name, [{"name": name, "verdict": "not measured"}], {})


def performance(document: str) -> str:
    """One line per bound of a document: what it is about, the ratio, the bound, the verdict."""
    rows = []
    within = False
    for line in document.splitlines():
        cells = line.removeprefix("| ").removesuffix(" |").split(" | ")
        if cells == _BOUNDS:
            within = True
        elif not line.startswith("|"):
            within = False
        elif within and set(line) != {"|", "-"}:
            rows.append([cell.replace(r"\|", "|") for cell in (cells[0], *cells[2:])])
    return markdown_table(["", *_BOUNDS[2:]], rows)


def shown_verdict(verdict: str) -> str:
    """In Markdown, bold where a bound was not met."""
    return verdict if verdict == "met" else f"**{verdict}**"


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items())


def markdown_table(header: list[str], rows: list[list[Any]]) -> str:
    """A table in Markdown; bars in cells are escaped."""
    lines = [
        "| " + " | ".join(str(cell).replace("|", r"\|") for cell in row) + " |"
        for row in [header, *rows]
    ]
    return "\n".join([lines[0], "|" + "---|" * len(header), *lines[1:]])
