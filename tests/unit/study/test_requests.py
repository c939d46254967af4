"""What rules request: lines over rows, more at every attempt, and an entry for every script."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dokunuki.errors import ConfigError
from dokunuki.study.requests import Line, Request, read_requests

REPOSITORY = Path(__file__).resolve().parents[3]
REQUESTS = read_requests(REPOSITORY / "workflow" / "resources.yaml")
# Those that a loop generates are indented, and have no name of their own there.
RULE = re.compile(
    r"^ *rule(?: (\w+))?:\n(.*?)(?=^ *rule\b[^\n]*:\n|\Z)", flags=re.DOTALL | re.MULTILINE
)


def rules_with_scripts():
    for file in sorted((REPOSITORY / "workflow" / "rules").glob("*.smk")):
        for name, body in RULE.findall(file.read_text()):
            if "script:" in body and "localrule" not in body:
                script = re.search(r"scripts/(\w+)\.py", body)[1]
                yield pytest.param(body, id=name or script)


def test_requests_cover_what_was_measured_and_grow_with_rows_and_attempts():
    request = Request(Line(500, 10), Line(1, 0.1))
    assert request.memory(100_000, attempt=1) > 500 + 10 * 100
    assert request.memory(100_000, attempt=2) == 2 * request.memory(100_000, attempt=1)
    assert request.memory(200_000, attempt=1) > request.memory(100_000, attempt=1)
    assert request.memory(100_000, attempt=1, workers=4) > request.memory(100_000, 1) + 4 * 54
    assert request.runtime(100_000, attempt=1) > 1 + 0.1 * 100
    assert request.runtime(100_000, attempt=3) == 3 * request.runtime(100_000, attempt=1)
    assert request.runtime(100_000, attempt=1, times=10) > 10 * (1 + 0.1 * 100)
    assert request.runtime(0, attempt=1, times=0) >= 1


@pytest.mark.parametrize("body", list(rules_with_scripts()))
def test_every_rule_with_a_script_requests_what_was_measured(body):
    resources = body.partition("resources:")[2].partition("params:")[0]
    asked = re.findall(r"(mem_mb|runtime)=(\w+)\((?:\s*\"(\w+)\")?", resources)
    functions = {resource: function for resource, function, _ in asked}
    assert functions.get("mem_mb") == "memory"
    assert functions.get("runtime", "minutes") == "minutes"
    assert "runtime=" in resources
    for _, _, rule in asked:
        assert rule in REQUESTS


@pytest.mark.parametrize("rule", ["train_victim", "train_autoencoder", "explain_surrogate"])
def test_jobs_that_hold_the_matrix_ask_for_it(rule):
    width, more = 2351, 100_000
    growth = REQUESTS[rule].memory(2 * more, 1) - REQUESTS[rule].memory(more, 1)
    # The training rows are 80 % of it.
    assert growth > 0.8 * more * width * 4 / 1e6


def test_vectors_are_asked_for_what_a_full_size_run_took():
    # `make bench ARGS=full_size`: the rows of the matrix are written as they come.
    assert 952 * 2**20 / 1e6 < REQUESTS["vectorise_rows"].memory(750_000, 1) < 2000


@pytest.mark.parametrize("content", ["train: {mem_mb: {base: 1}}", "train: 5"])
def test_a_file_of_another_shape_names_the_rule(tmp_path, content):
    path = tmp_path / "resources.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"resources\.yaml: train: .* `make scaling`"):
        read_requests(path)
