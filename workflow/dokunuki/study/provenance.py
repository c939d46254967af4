"""Which code a job depends on: digests of its script and of every module that it imports.

Snakemake does not see imported modules, and it sees scripts by time stamp only, so that a fresh
checkout would rerun everything. The rules therefore carry, as a parameter, one digest per module
that the script reaches through imports. A digest is taken over the syntax tree without
docstrings: comments, docstrings and formatting rerun nothing.

Followed are this package, whatever lies beside it in the folder `workflow` of a checkout (of a
wheel, its other package), and the modules in the folders of the catalogue that a user names. Where
a followed package holds one of the folders in `DATA_FOLDERS`, each file in it counts by its bytes.
All else belongs to the environment, and its versions are the environment's business.

A process looks at each file and each place for one once: every rule asks for much the same modules.
"""

from __future__ import annotations

import ast
import gc
import hashlib
import os
import sys
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from dokunuki.study.places import IS_INSTALLED, LIBRARY, PACKAGES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_HOLDERS = (ast.stmt, ast.excepthandler, ast.match_case)
# Of a followed package, the folders whose files its modules read.
DATA_FOLDERS = ("data", "templates")
_CODE = {".py", ".pyc"}
# Where modules are followed: the library, and what lies beside it; then the user's own folders.
_ROOTS = [LIBRARY]


def offer_library(folders: Iterable[str | Path] = ()) -> None:
    """Let this process and its children import this package and the modules in `folders`.

    Whether the package is installed for them or not. From now on such modules are followed. Where
    it is installed, its folder holds all packages of an environment, and is not offered to others.
    """
    _ROOTS[1:] = [Path(folder).resolve() for folder in folders]
    own = [str(root) for root in _ROOTS if not (IS_INSTALLED and root == LIBRARY)]
    paths = [*own, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    sys.path.extend(path for path in own if path not in sys.path)


def code_digests(script: str | Path, *parts: str) -> dict[str, str]:
    """Digests by module name of all that `script` and the classes `parts` (dotted paths) import.

    The packages that hold a module count too, since importing it runs them. The script itself
    stands under its file name, and a package's data under their path (`simember/data/use.csv`).
    """
    found: set[str] = set()
    pending = set(_imports(Path(script)))
    pending |= {module for part in parts if (module := _module_of(part)) is not None}
    while pending:
        module = pending.pop()
        found.add(module)
        path = module_path(module)
        imported = set(_imports(path)) if path is not None else set()
        if package := module.rpartition(".")[0]:
            imported.add(package)
        pending |= imported - found
    digests = {Path(script).name: _digest(Path(script))}
    for module in sorted(found):
        path = module_path(module)
        if path is not None:
            digests[module] = _digest(path)
            if path.name == "__init__.py":
                digests |= _data_digests(path.parent)
    return digests


@cache
def _data_digests(package: Path) -> dict[str, str]:
    """Digests of the bytes of the files in a package's `DATA_FOLDERS`, by path; not of code."""
    return {
        f"{package.name}/{path.relative_to(package).as_posix()}": _digest_of_bytes(path)
        for folder in DATA_FOLDERS
        for path in sorted((package / folder).rglob("*"))
        # Names with a dot before them are an editor's or the system's.
        if path.is_file() and path.suffix not in _CODE and not path.name.startswith(".")
    }


def _digest_of_bytes(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def module_path(module: str) -> Path | None:
    """The file of a module that is followed; None when there is none."""
    return _module_path(module, tuple(_ROOTS))


@cache
def _module_path(module: str, roots: tuple[Path, ...]) -> Path | None:
    names = module.split(".")
    for root in roots:
        if IS_INSTALLED and root == LIBRARY and names[0] not in PACKAGES:
            continue
        base = root.joinpath(*names)
        for candidate in (base.with_suffix(".py"), base / "__init__.py"):
            if candidate.is_file():
                return candidate
    return None


def _module_of(dotted: str) -> str | None:
    """The followed module that holds a dotted path, a class's say."""
    while dotted and module_path(dotted) is None:
        dotted = dotted.rpartition(".")[0]
    return dotted or None


@contextmanager
def _without_collector() -> Iterator[None]:
    """Without Python's search for cycles: a tree has thousands of nodes, none in a cycle."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@cache
@_without_collector()
def _parsed(path: Path) -> tuple[str, frozenset[str]]:
    """Digest and followed imports of a file, in one pass: whoever starts a run waits for it."""
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    names: set[str] = set()
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:] or [ast.Pass()]
        if isinstance(node, ast.If) and _is_type_checking(node.test):
            node.body = [ast.Pass()]  # annotations only: never runs
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origin = ".".join(filter(None, (_package(path, node.level), node.module)))
            names |= {f"{origin}.{alias.name}" for alias in node.names}
        # Expressions, most of a tree, hold neither imports nor docstrings.
        pending += [child for child in ast.iter_child_nodes(node) if isinstance(child, _HOLDERS)]
    followed = frozenset(module for name in names if (module := _module_of(name)) is not None)
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:16], followed


def _is_type_checking(test: ast.expr) -> bool:
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"


def _digest(path: Path) -> str:
    return _parsed(path)[0]


def _imports(path: Path) -> frozenset[str]:
    """Followed modules that a file imports anywhere, inside functions too."""
    return _parsed(path)[1]


def _package(path: Path, level: int) -> str:
    """The package that a relative import of `level` dots in a file starts from."""
    if not level:
        return ""
    folder = path.parents[level - 1]
    root = next(root for root in _ROOTS if folder.is_relative_to(root))
    return ".".join(folder.relative_to(root).parts)
