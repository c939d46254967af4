"""The plan of the house: where things stand, and which way imports go."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import grimp
import networkx as nx
import pytest

from checkout import REPOSITORY

WORKFLOW = REPOSITORY / "workflow"
LIBRARY = WORKFLOW / "dokunuki"
SCRIPTS = sorted((WORKFLOW / "scripts").glob("*.py"))

# Reading a job's inputs and writing its outputs; `logged` is around every script.
READING_AND_WRITING = ("read_", "write_", "load", "save", "open_", "Path", "logged", "parent")


@pytest.fixture(scope="module")
def imports() -> nx.DiGraph:
    graph = grimp.build_graph("dokunuki", "simember", cache_dir=None)
    edges = [(a, b) for a in graph.modules for b in graph.find_modules_directly_imported_by(a)]
    return nx.DiGraph(edges)


def test_the_only_loose_modules_are_the_ground_and_the_product():
    loose = {path.stem for path in LIBRARY.glob("*.py")} - {"__init__"}
    assert loose == {"errors", "seeding", "progress", "job", "detector"}


def test_every_rule_file_has_a_package_of_its_name():
    files = {path.stem for path in (WORKFLOW / "rules").glob("*.smk")} - {"common"}
    assert files <= {path.parent.name for path in LIBRARY.glob("*/__init__.py")}


def test_no_module_imports_itself_by_way_of_others(imports):
    assert list(nx.simple_cycles(imports)) == []


def test_imports_go_downward():
    """The layers in pyproject.toml, as `make lint` checks them."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", SCRIPTS, ids=[path.stem for path in SCRIPTS])
def test_a_script_makes_one_library_call(path):
    tree = ast.parse(path.read_text())
    ours = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").partition(".")[0] in ("dokunuki", "simember")
        for alias in node.names
    }
    calls = [
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ours
    ]
    # Classes are what a call is given: a spec, say.
    made = [name for name in calls if not name.startswith(READING_AND_WRITING) and name.islower()]
    assert len(made) <= 1, made
    assert not any(isinstance(node, ast.FunctionDef | ast.For) for node in ast.walk(tree))
    assert len(path.read_text().splitlines()) <= 45


@pytest.mark.promise(2)
@pytest.mark.parametrize("path", SCRIPTS, ids=[path.stem for path in SCRIPTS])
def test_a_script_reads_its_parameters_and_not_the_configuration(path):
    read = {
        node.attr
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "snakemake"
    }
    assert "config" not in read


@pytest.mark.promise(7)
def test_nothing_is_pickled_or_read_from_pickle():
    forbidden = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    paths = [path for path in WORKFLOW.rglob("*.py") if "__pycache__" not in path.parts]
    assert len(paths) > 100
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                module = [getattr(node, "module", None) or "", *(part.name for part in node.names)]
                assert not {name.partition(".")[0] for name in module} & forbidden, path
            elif isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("torch.load", "torch.save"), path
                if called in ("np.load", "np.save", "np.savez", "numpy.load"):
                    allowed = {word.arg: ast.unparse(word.value) for word in node.keywords}
                    assert allowed.get("allow_pickle") == "False", f"{path}:{node.lineno}"


def test_every_script_has_a_rule_of_its_name():
    rules = "".join(path.read_text() for path in (WORKFLOW / "rules").glob("*.smk"))
    # A rule over several seeds is generated for each batch, and is named by these too.
    batched = {path.stem for path in SCRIPTS if path.stem.endswith("_seeds")}
    for path in SCRIPTS:
        named = f'f"{path.stem.removesuffix("_seeds")}_{{NAME}}"'
        assert (named if path.stem in batched else f"rule {path.stem}") in rules, path.stem
