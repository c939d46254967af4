from __future__ import annotations

import math
from operator import itemgetter

import pytest
from jinja2 import UndefinedError

from dokunuki.figures import pages
from dokunuki.figures.pages import Column, Table, render, share
from html_reader import Reader, assert_self_contained

TEMPLATE = """{% extends layout %}
{% block body %}
{{ write.heading(2, "H<") }}
{% call write.paragraph() %}
p_{{ word }}
goes on
{% endcall %}
{{ write.table(table) }}
{% endblock %}
"""
TABLE = Table(
    [Column("a|b", itemgetter(0), ""), Column("n", itemgetter(1), hint='a "tip"')],
    [["x | <y>\nz", 1], ["*", 2]],
)


@pytest.fixture
def rendered(tmp_path, monkeypatch):
    """A template of the test's own package, in either format."""
    templates = tmp_path / "own_pages" / "templates"
    templates.mkdir(parents=True)
    (tmp_path / "own_pages" / "__init__.py").write_text("")
    (templates / "page.j2").write_text(TEMPLATE)
    monkeypatch.syspath_prepend(tmp_path)
    yield lambda form, word: render(
        "own_pages", "page.j2", form, title="T*", word=word, table=TABLE
    )
    pages._environment.cache_clear()


def test_markdown_tables_have_as_many_cells_as_heads_and_escape_text(rendered):
    assert rendered("md", "[q]").splitlines() == [
        "# T\\*",
        "",
        "## H\\<",
        "",
        "p\\_\\[q\\] goes on",
        "",
        "| a\\|b | n |",
        "| --- | ---: |",
        "| x \\| \\<y\\> z | 1 |",
        "| \\* | 2 |",
    ]


def test_html_shows_text_as_it_is_and_needs_nothing_else(rendered):
    page = rendered("html", "<script>&")
    reader = Reader(page)
    assert_self_contained(reader)
    assert reader.sections == {("H<", ""): [["a|b", "n"], ["x | <y>\nz", "1"], ["*", "2"]]}
    assert "p_<script>&\ngoes on" in reader.text
    assert ("th", {"scope": "col", "class": "number", "title": 'a "tip"'}) in reader.seen
    assert ("td", {}) in reader.seen


def test_a_value_that_is_not_given_is_an_error():
    with pytest.raises(UndefinedError, match="title"):
        render("dokunuki.figures.tables", "configuration.html", text="a: 1")


def test_shares_are_percent_with_their_interval():
    assert share(0.97123, 0.0031) == "97.1 ± 0.3"
    assert share(-0.0001) == "0.0"
    assert share(0.25, signed=True) == "+25.0"
    assert share(math.nan, 0.1) == "–"
