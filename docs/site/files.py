"""Puts the repository's documents into the site, at the same paths, so that their links hold.

Files that a document links to and that are no document (a schema, a table, a picture) come along.
Pages of the API are made of the library's packages.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File, Files

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "workflow" / "dokunuki"
# Of the command its own help is the reference.
WITHOUT_PAGE = {"command"}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Write the pages of the API into the navigation."""
    for entry in config.nav or []:
        if entry.get("API") == "api/":
            entry["API"] = [{title: f"api/{name}.md"} for title, name in _api().items()]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the documents, what they link to, and the API."""
    for path in _documents():
        files.append(_file(path, config))
        for linked in _linked(path):
            if files.get_file_from_path(linked.relative_to(ROOT).as_posix()) is None:
                files.append(_file(linked, config))
    for title, name in _api().items():
        content = _api_page(title, name)
        files.append(File.generated(config, f"api/{name}.md", content=content))
    return files


def _documents() -> list[Path]:
    nested = [path for path in (ROOT / "docs").rglob("*.md") if path.parent.name != "site"]
    others = [ROOT / name for name in ("bench/results.md", "config/README.md", "results/README.md")]
    return sorted([*ROOT.glob("*.md"), *nested, *others])


def _linked(path: Path) -> set[Path]:
    """Files that a document links to, other documents apart."""
    targets = re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8"))
    files = {(path.parent / target).resolve() for target in targets if ":" not in target}
    return {file for file in files if file.is_file() and file not in _documents()}


def _file(path: Path, config: MkDocsConfig) -> File:
    return File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path))


def _api() -> dict[str, str]:
    """Titles of the API's pages and their names: a page a package, one for the loose modules."""
    packages = sorted(path.parent.name for path in LIBRARY.glob("*/__init__.py"))
    kept = [name for name in packages if name not in WITHOUT_PAGE]
    return {"dokunuki": "index", **{f"dokunuki.{name}": name for name in kept}}


def _api_page(title: str, name: str) -> str:
    if name == "index":
        modules = [f"dokunuki.{path.stem}" for path in sorted(LIBRARY.glob("[a-z]*.py"))]
    else:
        inside = (LIBRARY / name).rglob("*.py")
        dotted = {path.relative_to(LIBRARY.parent).with_suffix("").parts for path in inside}
        modules = sorted(".".join(part for part in parts if part != "__init__") for parts in dotted)
    blocks = "\n\n".join(f"::: {module}" for module in modules)
    return f"# {title}\n\n{blocks}\n"
