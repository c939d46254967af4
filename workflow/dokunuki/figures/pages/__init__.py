"""Pages by jinja2 templates: HTML that needs no other file, and Markdown that says the same.

A template extends `layout` and calls the macros of `write`; both are those of the page's format. So
one template serves both formats.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Format = Literal["html", "md"]

NONE = "–"
"""Stands for a number that does not exist."""


@dataclass(frozen=True)
class Column:
    """A table's column: its head, the text of a row's cell, its CSS class and a tooltip.

    Classes: `number` is aligned to the right, `text` is broken into lines.
    """

    head: str
    text: Callable[[Any], object]
    kind: Literal["", "number", "text"] = "number"
    hint: str = ""


@dataclass(frozen=True)
class Table:
    """Columns, and the rows that their cells are made of."""

    columns: Sequence[Column]
    rows: Sequence[Any]

    @property
    def cells(self) -> list[list[str]]:
        """The text of each cell, by row."""
        return [[str(column.text(row)) for column in self.columns] for row in self.rows]


def share(mean: float, half: float = math.nan, *, signed: bool = False) -> str:
    """A share in percent, e.g. "97.1 ± 0.3"; without ± where there is no interval."""
    if math.isnan(mean):
        return NONE
    shown = f"{100 * mean:+z.1f}" if signed else f"{100 * mean:z.1f}"
    return shown if math.isnan(half) else f"{shown} ± {100 * half:.1f}"


def render(package: str, template: str, form: Format = "html", **values: object) -> str:
    """The page that a template in the folder `templates` of `package` makes of the values.

    HTML is escaped by itself; in Markdown the macros of `write` do it. A name that the template
    uses and `values` lacks raises `jinja2.UndefinedError`.
    """
    page = _environment(package, form).get_template(template).render(**values)
    return re.sub(r"\n{3,}", "\n\n", page.strip()) + "\n" if form == "md" else page


@cache
def _environment(package: str, form: Format) -> Environment:
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader(__name__)]),
        autoescape=form == "html",
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["markdown"] = _escape_markdown
    environment.globals["layout"] = f"page.{form}"
    environment.globals["write"] = environment.get_template(f"macros.{form}").module
    return environment


def _escape_markdown(text: str) -> str:
    """Text on one line that Markdown shows as it is, also in a table."""
    return re.sub(r"([\\|*_`<>\[\]])", r"\\\1", re.sub(r" *\n *", " ", text))
