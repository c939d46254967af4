"""Reads the pages that the library writes."""

from __future__ import annotations

from html.parser import HTMLParser


class Reader(HTMLParser):
    """Collects rows of cells, by section too, and checks that tags close in order.

    `sections` holds rows by the last h2 and h3 above them, the heads first.
    """

    def __init__(self, text):
        super().__init__()
        self.rows, self.open, self.seen, self.text = [], [], [], ""
        self.headings = {"h2": "", "h3": ""}
        self.sections = {}
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag in ("meta", "img"):
            return
        self.open.append(tag)
        if tag == "h2":
            self.headings = {"h2": "", "h3": ""}
        if tag == "h3":
            self.headings["h3"] = ""
        if tag == "tr":
            self.rows.append([])
            self.sections.setdefault(tuple(self.headings.values()), []).append(self.rows[-1])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
        if self.open and self.open[-1] in self.headings:
            self.headings[self.open[-1]] += data
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


def assert_self_contained(reader):
    for tag, attributes in reader.seen:
        assert tag not in ("script", "link", "img", "iframe")
        assert not {"src", "href"} & set(attributes)
