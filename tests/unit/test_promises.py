"""Every promise of CONTRIBUTING.md is named by a test, and no test names another."""

from __future__ import annotations

import ast
import re

import pytest

from checkout import REPOSITORY

TESTS = REPOSITORY / "tests"


def promised() -> list[int]:
    """The numbers of the list in CONTRIBUTING.md."""
    text = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = re.search(r"^## Promises$(.*?)^## ", text, flags=re.MULTILINE | re.DOTALL)
    assert section, "CONTRIBUTING.md has no section Promises"
    return [int(number) for number in re.findall(r"^(\d+)\. ", section[1], flags=re.MULTILINE)]


def named(source: str) -> dict[str, set[int]]:
    """The promises that tests of a module name, by the name of the test."""
    found: dict[str, set[int]] = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.promise":
                    found.setdefault(node.name, set()).add(ast.literal_eval(mark.args[0]))
    return found


def test_marks_are_seen():
    source = "@pytest.mark.promise(2)\n@pytest.mark.promise(5)\ndef test_it():\n    pass\n"
    assert named(source) == {"test_it": {2, 5}}
    assert named(source.replace("test_it", "helper")) == {}


@pytest.fixture(scope="module")
def tests() -> dict[int, set[str]]:
    """The tests that name a promise, by its number."""
    found: dict[int, set[str]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for name, numbers in named(path.read_text(encoding="utf-8")).items():
            for number in numbers:
                found.setdefault(number, set()).add(f"{path.stem}::{name}")
    return found


def test_there_are_eight_promises():
    assert promised() == list(range(1, 9))


@pytest.mark.parametrize("number", promised())
def test_every_promise_is_named_by_a_test(tests, number):
    assert tests.get(number)


def test_no_test_names_a_promise_that_is_not_made(tests):
    assert set(tests) <= set(promised())
