"""The fuzzer, for a moment: the readers stand some changes, and it notices what it looks for."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from checkout import REPOSITORY

RUN = REPOSITORY / "tests" / "fuzz" / "run.py"
TARGETS = re.search(r"^TARGET \?= (.*)$", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)[1]


def fuzzed(*arguments, code=None):
    """How it ends; `code` is run first, in its process."""
    command = [sys.executable, str(RUN), *arguments]
    if code is not None:
        lines = [
            "import runpy, sys",
            f"sys.argv = {command[1:]!r}",
            f"sys.path.insert(0, {str(RUN.parents[1])!r})",
            code,
            f"runpy.run_path({str(RUN)!r}, run_name='__main__')",
        ]
        command = [sys.executable, "-c", "\n".join(lines)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)


@pytest.mark.parametrize("target", TARGETS.split())
def test_no_reader_is_upset_by_some_changes(target):
    done = fuzzed(target, "--seconds", "2")
    assert done.returncode == 0, done.stderr[-3000:]
    facts = json.loads(done.stdout.splitlines()[-1])
    assert facts["inputs"] >= 20
    assert facts["target"] == target


@pytest.mark.parametrize(
    ("misdeed", "shown"),
    [
        ("open(ELSEWHERE, 'w')", "open "),
        ("__import__('socket').create_connection(('127.0.0.1', 9))", "socket."),
        ("__import__('os').system('true')", "os.system"),
        ("{}['missing']", "KeyError"),
        ("bytes(4 << 30)", "MemoryError"),
    ],
)
def test_it_notices_what_a_reader_may_not_do(misdeed, shown, tmp_path):
    code = (
        "import fuzz.targets as t\n"
        f"ELSEWHERE = {str(tmp_path / 'elsewhere')!r}\n"
        "sound = t.TARGETS['labels'].read\n"
        "def read(folder):\n"
        "    sound(folder)\n"
        "    if folder.parent.name == 'input':\n"
        f"        {misdeed}\n"
        "t.TARGETS['labels'] = t.Target(t.TARGETS['labels'].seeds, read)\n"
    )
    done = fuzzed("labels", "--seconds", "60", code=code)
    assert done.returncode == 1, done.stdout + done.stderr[-2000:]
    assert f"FindingError: {shown}" in done.stderr
    assert "Failing test case" in done.stderr
