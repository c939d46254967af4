"""Documents: bounds on length, links that lead somewhere, examples that work."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import yaml

from documents import write_methods
from dokunuki.study.configuration import load_config
from dokunuki.study.provenance import offer_library

ROOT = Path(__file__).parents[2]
LONGEST_LINE = 120


def documents() -> list[Path]:
    """All Markdown files of the repository; none of an environment, a build or results."""
    folders = [ROOT / name for name in ("bench", "config", "docs", "profiles", "tests", "workflow")]
    nested = [path for folder in folders for path in folder.rglob("*.md")]
    return sorted([*ROOT.glob("*.md"), ROOT / "results" / "README.md", *nested])


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def without_code(text: str) -> str:
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(("name", "most"), [("README.md", 150), ("config.yaml", 80)])
def test_what_everybody_reads_first_is_short(name, most):
    assert len((ROOT / name).read_text(encoding="utf-8").splitlines()) <= most


@pytest.mark.parametrize("path", documents(), ids=name_of)
def test_links_lead_somewhere(path):
    text = without_code(path.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue  # the web's business
        file, _, anchor = target.partition("#")
        page = (path.parent / file).resolve() if file else path
        assert page.exists(), target
        assert page.is_relative_to(ROOT), target
        if anchor:
            assert anchor in anchors(page), target


@pytest.mark.parametrize("path", documents(), ids=name_of)
def test_lines_fit_a_screen(path):
    text = path.read_text(encoding="utf-8")
    # Tables, and what `make bench` and its like write, may be wider.
    prose = [
        line for line in text.splitlines() if not line.startswith(("|", "`python -m", "Made by"))
    ]
    assert [line for line in prose if len(line) > LONGEST_LINE] == []


def test_every_page_of_docs_is_reached_from_the_readme():
    seen, pending = set(), [ROOT / "README.md"]
    while pending:
        page = pending.pop()
        seen.add(page)
        links = re.findall(r"\]\(([^)#\s]+\.md)", page.read_text(encoding="utf-8"))
        linked = {(page.parent / link).resolve() for link in links if ":" not in link}
        pending += linked - seen
    assert set((ROOT / "docs").rglob("*.md")) <= seen


def test_make_targets_of_the_readme_are_the_makefiles():
    targets = set(re.findall(r"`make ([a-z-]+)", (ROOT / "README.md").read_text(encoding="utf-8")))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert {"run", "test"} <= targets
    assert targets <= set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))


def test_presets_that_documents_name_exist():
    presets = {path.stem for path in (ROOT / "workflow" / "presets").glob("*.yaml")}
    for path in documents():
        for named in re.findall(r'PRESET=(?:"([^"]*)"|([\w-]+))', path.read_text(encoding="utf-8")):
            assert set("".join(named).split()) <= presets, path


def test_examples_of_the_methods_page_work(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setattr(sys, "path", [*sys.path])
    write_methods(tmp_path, "docs/methods.md")
    kinds = {path.name for path in tmp_path.iterdir() if path.is_dir()}
    assert kinds == {"attacks", "classifiers", "defences"}
    raw = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    raw["catalogue"] = [str(tmp_path)]
    raw["grid"] |= {
        "attacks": ["widest"],
        "defences": ["none", "tag:mine"],
        "classifiers": ["boosting"],
        "trigger_sizes": [8],
        "fixed_trigger_size": 8,
    }
    offer_library([tmp_path])
    try:
        config = load_config(raw, ROOT / "workflow")
    finally:
        offer_library()
    assert config["grid"]["defences"] == ["none", "farthest"]
